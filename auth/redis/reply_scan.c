/* reply_scan.c - scans the framing of RESP2: types, lengths, line ends. */
#include "auth/redis/reply_scan.h"

#include "jobgate/slice.h"

#define DIGITS_MAX 18 /* so many fit into 64 bits, and so does the sum of a few such numbers */

static bool
begin_item(struct reply_scan *scan, char type)
{
	scan->type = type;
	scan->carriage_return = scan->negative = false;
	scan->digits = 0;
	scan->number = 0;
	switch (type) {
	case '+':
	case '-':
	case ':':
		scan->part = REPLY_LINE;
		return true;
	case '$':
	case '*':
		scan->part = REPLY_NUMBER;
		return true;
	default:
		return false;
	}
}

/* An item is complete, and so is each array that it is the last element of. */
static enum reply_scan_state
end_item(struct reply_scan *scan)
{
	scan->part = REPLY_TYPE;
	while (scan->depth > 0 && --scan->left[scan->depth - 1] == 0)
		scan->depth--;
	return scan->depth == 0 ? REPLY_FINISHED : REPLY_UNFINISHED;
}

/* The length of a string or an array is known. */
static enum reply_scan_state
end_number(struct reply_scan *scan)
{
	if (scan->digits == 0)
		return REPLY_MALFORMED;
	if (scan->negative) /* nil */
		return scan->number == 1 ? end_item(scan) : REPLY_MALFORMED;
	if (scan->type == '$') {
		scan->due = scan->number + 2;
		scan->bytes += scan->due;
		scan->part = REPLY_STRING;
		return REPLY_UNFINISHED;
	}
	scan->elements += scan->number;
	if (scan->number == 0)
		return end_item(scan);
	if (scan->depth == REPLY_DEPTH_MAX)
		return REPLY_MALFORMED;
	scan->left[scan->depth++] = scan->number;
	scan->part = REPLY_TYPE;
	return REPLY_UNFINISHED;
}

static enum reply_scan_state
take_byte_of_number(struct reply_scan *scan, char byte)
{
	if (scan->carriage_return)
		return byte == '\n' ? end_number(scan) : REPLY_MALFORMED;
	if (byte == '\r') {
		scan->carriage_return = true;
	} else if (byte == '-' && scan->digits == 0 && !scan->negative) {
		scan->negative = true;
	} else if (scan->digits < DIGITS_MAX &&
		   number_append_digit(&scan->number, byte, UINT64_MAX)) {
		scan->digits++;
	} else {
		return REPLY_MALFORMED;
	}
	return REPLY_UNFINISHED;
}

static enum reply_scan_state
take_byte(struct reply_scan *scan, char byte)
{
	bool line_end;

	scan->bytes++;
	switch (scan->part) {
	case REPLY_TYPE:
		return begin_item(scan, byte) ? REPLY_UNFINISHED : REPLY_MALFORMED;
	case REPLY_LINE:
		line_end = scan->carriage_return && byte == '\n';
		scan->carriage_return = byte == '\r';
		return line_end ? end_item(scan) : REPLY_UNFINISHED;
	case REPLY_NUMBER:
		return take_byte_of_number(scan, byte);
	case REPLY_STRING:
		break; /* taken as a whole */
	}
	return REPLY_MALFORMED;
}

size_t
reply_scan(struct reply_scan *scan, const char *bytes, size_t len, enum reply_scan_state *state)
{
	size_t at = 0;

	*state = REPLY_UNFINISHED;
	while (at < len && *state == REPLY_UNFINISHED) {
		if (scan->part != REPLY_STRING) {
			*state = take_byte(scan, bytes[at++]);
		} else {
			size_t taken = scan->due < len - at ? (size_t)scan->due : len - at;

			scan->due -= taken;
			at += taken;
			if (scan->due == 0)
				*state = end_item(scan);
		}
	}
	return at;
}
