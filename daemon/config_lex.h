/*
 * The configuration's text as tokens, with the same borders between them as
 * libconfuse 3.3 sees.
 */
#ifndef LICTOR_CONFIG_LEX_H
#define LICTOR_CONFIG_LEX_H

#include <stdbool.h>
#include <stddef.h>

struct config_log;

enum token_type {
	T_END,
	T_WORD,
	T_STRING,
	T_OPEN,
	T_CLOSE,
	T_SET,
	T_APPEND,
	T_COMMA,
	T_STRAY, /* a character that begins nothing */
	T_BAD	 /* already complained of */
};

struct token {
	enum token_type type;
	unsigned line;
	size_t begin, end;
};

struct lexer {
	char *text; /* borrowed; comments in it become blanks */
	size_t len;
	struct config_log *log;
	size_t at;
	unsigned line;
	bool cut; /* the text ends within a comment */
};

/*
 * Begin with text[len]. Bytes that have no place in a text are complained of
 * and become question marks: messages may quote the text.
 */
void lexer_begin(struct lexer *, struct config_log *, char *text, size_t len);
void lexer_next(struct lexer *, struct token *);

/* Blanks in place of text[begin..end), lines kept. */
void lexer_blank(char *text, size_t begin, size_t end);

#endif
