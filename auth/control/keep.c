/* keep.c - copying a token, slice by slice. */
#include "auth/control/keep.h"

#include <stdlib.h>

static struct slice
keep(char **to, struct slice text)
{
	struct slice kept = {*to, text.len};

	if (text.len > 0)
		memcpy(*to, text.at, text.len);
	*to += text.len;
	return kept;
}

struct kept_token *
token_keep(const struct token *token)
{
	size_t size =
	    token->id.len + token->name.len + token->created_at.len + token->updated_at.len;
	struct kept_token *kept;
	char *to;

	for (size_t i = 0; i < token->selector.count; i++)
		size += token->selector.items[i].name.len + token->selector.items[i].value.len;
	kept = malloc(sizeof(*kept) + size);
	if (kept == NULL)
		return NULL;
	to = kept->text;
	kept->token = *token;
	kept->token.id = keep(&to, token->id);
	kept->token.name = keep(&to, token->name);
	kept->token.created_at = keep(&to, token->created_at);
	kept->token.updated_at = keep(&to, token->updated_at);
	for (size_t i = 0; i < token->selector.count; i++) {
		kept->labels[i].name = keep(&to, token->selector.items[i].name);
		kept->labels[i].value = keep(&to, token->selector.items[i].value);
	}
	kept->token.selector.items = kept->labels;
	return kept;
}
