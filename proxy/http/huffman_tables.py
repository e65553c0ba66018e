#!/usr/bin/python3
"""Writes huffman_tables.h: the tables of HPACK's Huffman code, which all follow from its 257 lengths.

Usage: huffman_tables.py > huffman_tables.h. The code is canonical: shorter codes come first, those of one length in the order of
their symbols (RFC 7541 section 5.2). tests/unit/http/huffman_test.c derives the tables again."""

# RFC 7541 appendix B: the bits of the codes of bytes 0 to 255, and of EOS.
LENGTHS = [int(length) for length in """
13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10
13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6
15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28
20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23
26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26
30
""".split()]
SHORT = 8  # bits: a code of at most this is found by its first byte


def codes_of(lengths):
    """The code of each symbol, and the symbols in the order of their codes."""
    order = sorted(range(len(lengths)), key=lambda symbol: (lengths[symbol], symbol))
    codes, code, bits = [0] * len(lengths), 0, 0
    for symbol in order:
        code <<= lengths[symbol] - bits
        bits = lengths[symbol]
        codes[symbol] = code
        code += 1
    assert code == 1 << bits, "the code is not complete"
    return codes, order


def short_rows(codes):
    rows = [(0, 0)] * (1 << SHORT)
    for symbol, (code, bits) in enumerate(zip(codes, LENGTHS)):
        if bits <= SHORT:
            first = code << (SHORT - bits)
            for byte in range(first, first + (1 << (SHORT - bits))):
                rows[byte] = (symbol, bits)
    return rows


def long_rows(codes, order):
    """For each length: the last code with ones behind it, the first code, and where its symbols begin in order."""
    for bits in sorted(set(LENGTHS)):
        if bits > SHORT:
            symbols = [symbol for symbol in order if LENGTHS[symbol] == bits]
            last = (codes[symbols[-1]] + 1 << 32 - bits) - 1
            yield f"0x{last:08x}", f"0x{codes[symbols[0]]:x}", order.index(symbols[0]), bits


def show(declaration, cells, columns):
    print(f"{declaration} = {{")
    for i in range(0, len(cells), columns):
        print("\t" + ", ".join(cells[i:i + columns]) + ",")
    print("};\n")


def main():
    codes, order = codes_of(LENGTHS)
    print("/* huffman_tables.h - written by huffman_tables.py: change that one. For huffman.c alone. */")
    print("#ifndef JOBGATE_HTTP_HUFFMAN_TABLES_H\n#define JOBGATE_HTTP_HUFFMAN_TABLES_H\n\n#include <stdint.h>\n\n/* clang-format off */\n")
    print("/* The code of each byte: its bits, and how many. */")
    show("static const struct huffman_code {\n\tuint32_t code;\n\tunsigned char bits;\n} huffman_codes[256]",
         [f"{{0x{codes[byte]:x}, {LENGTHS[byte]}}}" for byte in range(256)], 8)
    print("/* By the first byte of what is left: a symbol with a code of at most 8 bits; bits is 0 for longer ones. */")
    show("static const struct huffman_short {\n\tunsigned char symbol, bits;\n} huffman_short[256]",
         [f"{{{symbol}, {bits}}}" for symbol, bits in short_rows(codes)], 16)
    print("/* The longer codes by length: the last one with ones behind it, the first one, where its symbol stands below. */")
    show("static const struct huffman_long {\n\tuint32_t last, first;\n\tunsigned char symbol, bits;\n} huffman_long[]",
         ["{" + ", ".join(map(str, row)) + "}" for row in long_rows(codes, order)], 4)
    print("/* All bytes in the order of their codes. EOS would be the next one. */")
    show("static const unsigned char huffman_symbols[256]", [str(symbol) for symbol in order[:-1]], 16)
    print("#endif")


if __name__ == "__main__":
    main()
