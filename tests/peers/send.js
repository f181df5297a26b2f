// Send a file by nodemailer: send.js PORT FROM TO FILE [CERTIFICATE]
// With a certificate STARTTLS is required, and the host must show it.
"use strict";
const fs = require("fs");
const nodemailer = require("nodemailer");

const [port, from, to, file, certificate] = process.argv.slice(2);
const tls = certificate
    ? { requireTLS: true,
	tls: { ca: fs.readFileSync(certificate), servername: "gw.example.org" } }
    : { ignoreTLS: true };
const transport = nodemailer.createTransport({
	host: "127.0.0.1", port: Number(port), name: "client.example", ...tls });

transport.sendMail({ envelope: { from, to }, raw: fs.readFileSync(file) })
    .then((info) => console.log(info.response))
    .catch((error) => {
	console.error(error.message);
	process.exit(1);
    });
