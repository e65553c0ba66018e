/* page.c - pages that work without scripts, in plain HTML that a screen reader reads in order. */
#include "browser/page.h"

#include "auth/form.h"
#include "http/write.h"

#define STYLE                                                                                      \
	":root{color-scheme:light dark;--line:#8a9099;--error:#b3261e;--accent:#1a56b0}"           \
	"@media(prefers-color-scheme:dark){:root{--line:#6b727d;--error:#f2938c;--accent:#9cc1ff}" \
	"}"                                                                                        \
	"body{font:1.05rem/1.55 system-ui,sans-serif;max-width:30rem;margin:12vh auto;padding:0 "  \
	"1.25rem;overflow-wrap:anywhere}h1{font-size:1.6rem;line-height:1.25;margin:.25rem 0 "     \
	"1rem}.job{margin:0;opacity:.75}.error{border-left:.25rem solid var(--error);"             \
	"padding-left:.75rem}input,button{font:inherit;padding:.6rem .75rem;width:100%;"           \
	"box-sizing:border-box;margin:.25rem 0 1rem;border:1px solid "                             \
	"var(--line);border-radius:.375rem}button{background:var(--accent);color:Canvas;"          \
	"font-weight:600;cursor:pointer}small{opacity:.75}"

/* Servers never get the fragment of a URL ("#runs/7"), which applications in one page need to come
 * back to. Browsers keep that of a form's action across the redirect (RFC 9110 section 10.2.2).
 */
#define SCRIPT "document.forms[0].action+=location.hash"

const char page_style[] = STYLE;
const char page_script[] = SCRIPT;
#define POLICY_BEGIN \
	"default-src 'none'; style-src 'sha256-49k7JVorEG8FTqoECAr1CfJQcgKzk98FNtI6in/yHVc='; "
#define POLICY_END "; base-uri 'none'; frame-ancestors 'none'"
const char page_policy[] =
    POLICY_BEGIN "script-src 'sha256-AHArdUEPWLTPwVU+msw8o+XjeNw7JVDSrMTwqAERgfc='; "
		 "form-action 'self'" POLICY_END;

size_t
page_policy_to(struct slice site, char out[PAGE_POLICY_MAX])
{
	struct writer writer = writer_of(out, PAGE_POLICY_MAX);

	write_literal(&writer, POLICY_BEGIN "form-action 'self' ");
	write_slice(&writer, site);
	write_literal(&writer, POLICY_END);
	return (size_t)(writer.at - out);
}

size_t
page_policy_framed(struct slice ancestors, char out[PAGE_POLICY_FRAMED_MAX])
{
	struct writer writer = writer_of(out, PAGE_POLICY_FRAMED_MAX);

	write_literal(&writer, POLICY_BEGIN "form-action 'none'; base-uri 'none'; ");
	write_slice(&writer, ancestors);
	return (size_t)(writer.at - out);
}

static void
write_escaped(struct writer *writer, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.at[i]) {
		case '&':
			write_literal(writer, "&amp;");
			break;
		case '<':
			write_literal(writer, "&lt;");
			break;
		case '>':
			write_literal(writer, "&gt;");
			break;
		case '"':
			write_literal(writer, "&quot;");
			break;
		case '\'':
			write_literal(writer, "&#39;");
			break;
		default:
			write_slice(writer, (struct slice){text.at + i, 1});
		}
	}
}

static void
write_form(struct writer *writer, const struct page *page)
{
	bool elsewhere = page->action[0] != '\0';

	write_literal(writer, "<form method=\"post\"");
	if (elsewhere) {
		write_literal(writer, " action=\"");
		write_slice(writer, slice_of(page->action));
		write_literal(writer, "\"");
	}
	write_literal(writer, ">\n");
	if (page->asks_token)
		write_literal(writer,
		    "<label for=\"token\">Token</label>\n"
		    "<input id=\"token\" name=\"token\" type=\"password\" required autofocus "
		    "autocomplete=\"current-password\" spellcheck=\"false\" "
		    "aria-describedby=\"message\">\n");
	if (page->to.len > 0) {
		write_literal(writer, "<input type=\"hidden\" name=\"to\" value=\"");
		write_escaped(writer, page->to);
		write_literal(writer, "\">\n");
	}
	write_literal(writer, "<button>");
	write_slice(writer, slice_of(page->button));
	write_literal(writer, "</button>\n</form>\n");
	/* A form without an action is sent to the page's URL, whose fragment browsers keep. */
	if (page->asks_token && elsewhere)
		write_literal(writer, "<script>" SCRIPT "</script>\n");
}

/* The page in the window opens the job's page, which leads to the sign-in. */
static void
write_links(struct writer *writer, struct slice to)
{
	write_literal(writer, "<p><a target=\"_blank\" rel=\"noopener\" href=\"");
	write_escaped(writer, to);
	write_literal(writer, "\">Sign in, in a new window</a></p>\n<p><a href=\"");
	write_escaped(writer, to);
	write_literal(writer, "\">I have signed in: show the job here</a></p>\n");
}

static void
write_paragraph(struct writer *writer, struct slice tag, struct slice text)
{
	if (text.len == 0)
		return;
	write_slice(writer, tag);
	write_escaped(writer, text);
	write_literal(writer, "</p>\n");
}

size_t
page_write(const struct page *page, char *out, size_t cap)
{
	struct writer writer = writer_of(out, cap);

	write_literal(&writer, "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
			       "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
	write_slice(&writer, page->title);
	write_literal(&writer, "</title>\n<style>" STYLE "</style>\n<main>\n");
	write_paragraph(&writer, SLICE("<p class=\"job\">"), page->job);
	write_literal(&writer, "<h1>");
	write_slice(&writer, page->title);
	write_literal(&writer, "</h1>\n");
	write_paragraph(&writer,
	    page->is_error ? SLICE("<p id=\"message\" class=\"error\" role=\"alert\">")
			   : SLICE("<p id=\"message\" role=\"status\">"),
	    page->message);
	write_paragraph(&writer, SLICE("<p>"), page->advice);
	write_paragraph(&writer, SLICE("<p>"), page->help);
	if (page->action != NULL)
		write_form(&writer, page);
	else if (page->in_frame)
		write_links(&writer, page->to);
	write_literal(&writer, "<p><small>Status ");
	write_number(&writer, page->status);
	write_literal(&writer, ", request ");
	write_slice(&writer, page->request_id);
	write_literal(&writer, "</small></p>\n</main>\n</html>\n");
	return (size_t)(writer.at - out);
}

bool
page_to_is_local(struct slice to)
{
	bool in_query = false;

	if (to.len == 0 || to.len > PAGE_TO_MAX || to.at[0] != '/')
		return false;
	/* "//host" and "/\host" lead elsewhere; browsers drop tabs and newlines before they look.
	 */
	if (to.len > 1 && (to.at[1] == '/' || to.at[1] == '\\'))
		return false;
	for (size_t i = 0; i < to.len; i++) {
		in_query = in_query || to.at[i] == '?';
		if (to.at[i] <= ' ' || to.at[i] >= 0x7f || (to.at[i] == '\\' && !in_query))
			return false;
	}
	return true;
}

/* False when it does not fit. */
static bool
decode(struct slice text, char *out, size_t cap, size_t *len)
{
	for (*len = 0; text.len > 0; (*len)++) {
		if (*len == cap)
			return false;
		out[*len] = form_next(&text);
	}
	return true;
}

struct slice
form_field(struct slice form, struct slice name, char *out, size_t cap)
{
	struct slice found = {0};
	bool seen = false;
	size_t len;

	while (form.len > 0) {
		const char *end = memchr(form.at, '&', form.len);
		struct slice pair = {form.at, end != NULL ? (size_t)(end - form.at) : form.len};

		form = slice_after(form, pair.len + (end != NULL));
		if (pair.len <= name.len || !slice_starts_with(pair, name) ||
		    pair.at[name.len] != '=')
			continue;
		if (seen || !decode(slice_after(pair, name.len + 1), out, cap, &len))
			return (struct slice){0};
		seen = true;
		found = (struct slice){out, len};
	}
	return found;
}
