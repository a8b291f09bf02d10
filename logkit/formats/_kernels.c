/* The inner loops of reading, compiled: what `kernels.py` calls where this could be built.

   Every function takes buffers (NumPy arrays, a block's bytes) and writes into arrays the caller made; none keeps
   anything, calls back or raises for what a log says, and all let the interpreter go while they run. What they cannot
   tell for certain they say, and the rows concerned are read by the NumPy or DuckDB code that does the same: it, not
   this, defines what is right, and tests/test_formats_kernels.py holds the two against each other.

   Blocks have PAD zero bytes behind them, so that eight bytes can be loaded at every position up to their size. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <float.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__) && defined(__GNUC__)
#include <emmintrin.h>
#define WIDE 1
#endif

typedef const uint8_t *bytes_t;

#define ONES 0x0101010101010101ULL
#define HIGH 0x8080808080808080ULL
#define ZEROS 0x3030303030303030ULL

static inline uint64_t word_at(bytes_t data, int64_t at) {
    uint64_t word;
    memcpy(&word, data + at, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint64_t first_bytes(int64_t count) {
    return count >= 8 ? ~0ULL : count <= 0 ? 0 : (1ULL << (8 * count)) - 1;
}

/* Which byte the lowest bit that is set belongs to. */
static inline int64_t lowest_byte(uint64_t bits) {
#if defined(__GNUC__)
    return __builtin_ctzll(bits) >> 3;
#else
    int64_t byte = 0;
    for (; !(bits & 0xFF); bits >>= 8) byte++;
    return byte;
#endif
}

static inline int is_digit(uint8_t byte) { return (uint8_t)(byte - '0') <= 9; }

static inline int64_t skip_blanks(bytes_t data, int64_t at) {
    while (data[at] == ' ') at++;
    return at;
}

static inline int same_bytes(bytes_t data, int64_t one, int64_t other, int64_t length) {
    for (; length > 0; one += 8, other += 8, length -= 8)
        if ((word_at(data, one) ^ word_at(data, other)) & first_bytes(length)) return 0;
    return 1;
}

static inline int64_t find_byte(bytes_t data, uint8_t byte, int64_t from, int64_t to) {
    const uint8_t *found = from < to ? memchr(data + from, byte, (size_t)(to - from)) : NULL;
    return found ? found - data : to;
}

/* ---- arguments ---- */

enum { MOST_BUFFERS = 64 };

typedef struct {
    Py_buffer view[MOST_BUFFERS];
    int count;
} buffers_t;

static void release(buffers_t *held) {
    while (held->count) PyBuffer_Release(&held->view[--held->count]);
}

/* Take the buffers among `args` from `from` on: writable from the `writable`-th of them. 0 with an exception set. */
static int take_buffers(buffers_t *held, PyObject *args, Py_ssize_t from, int wanted, int writable) {
    held->count = 0;
    if (wanted < 0 || wanted > MOST_BUFFERS || PyTuple_Size(args) != from + wanted) {
        PyErr_Format(PyExc_TypeError, "expected %zd arguments, found %zd", from + wanted, PyTuple_Size(args));
        return 0;
    }
    for (int i = 0; i < wanted; i++) {
        int flags = i < writable ? PyBUF_C_CONTIGUOUS : PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE;
        if (PyObject_GetBuffer(PyTuple_GetItem(args, from + i), &held->view[i], flags) < 0) {
            release(held);
            return 0;
        }
        held->count++;
    }
    return 1;
}

static int integers(PyObject *args, long long *into, int wanted) {
    for (int i = 0; i < wanted; i++) {
        PyObject *item = PyTuple_GetItem(args, i);
        if (item == NULL) return 0;
        into[i] = PyLong_AsLongLong(item);
        if (into[i] == -1 && PyErr_Occurred()) return 0;
    }
    return 1;
}

static PyObject *too_small(buffers_t *held) {
    release(held);
    PyErr_SetString(PyExc_ValueError, "expected arrays that hold a value for each row, found shorter ones");
    return NULL;
}

#define ROOM(index, bytes) (held.view[index].len >= (Py_ssize_t)(bytes))
#define AS(type, index) ((type)held.view[index].buf)

/* ---- lines ---- */

/* positions(size, byte, data, out) -> how often the byte occurs; the places that fit are written. */
static PyObject *positions(PyObject *self, PyObject *args) {
    long long number[2];
    buffers_t held;
    if (!integers(args, number, 2) || !take_buffers(&held, args, 2, 2, 1)) return NULL;
    const int64_t size = number[0];
    const uint8_t byte = (uint8_t)number[1];
    if (size < 0 || !ROOM(0, size)) return too_small(&held);
    bytes_t data = AS(bytes_t, 0);
    int64_t *out = AS(int64_t *, 1), room = held.view[1].len / 8, count = 0;
    Py_BEGIN_ALLOW_THREADS
    for (int64_t at = find_byte(data, byte, 0, size); at < size; at = find_byte(data, byte, at + 1, size)) {
        if (count < room) out[count] = at;
        count++;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    return PyLong_FromLongLong(count);
}

enum { SEEN_HIGH = 1, SEEN_ZERO = 2, SEEN_ESCAPE = 4, SEEN_DELETE = 8 };

/* look(size, data, out) -> how many LFs there are, times 16, and which of the bytes above occur; the places of LFs that fit
   are written. */
static PyObject *look(PyObject *self, PyObject *args) {
    long long size;
    buffers_t held;
    if (!integers(args, &size, 1) || !take_buffers(&held, args, 1, 2, 1)) return NULL;
    if (size < 0 || !ROOM(0, size)) return too_small(&held);
    bytes_t data = AS(bytes_t, 0);
    int64_t *out = AS(int64_t *, 1), room = held.view[1].len / 8, count = 0, at = 0;
    int seen = 0;
    Py_BEGIN_ALLOW_THREADS
#if defined(WIDE)
    const __m128i feed = _mm_set1_epi8('\n'), escape = _mm_set1_epi8(27), delete = _mm_set1_epi8(127);
    __m128i any = _mm_setzero_si128(), least = _mm_set1_epi8(1), escapes = any, deletes = any;
    for (; at + 64 <= size; at += 64) {
        uint64_t lines = 0;
        for (int i = 0; i < 4; i++) {
            const __m128i piece = _mm_loadu_si128((const __m128i *)(data + at + 16 * i));
            any = _mm_or_si128(any, piece), least = _mm_min_epu8(least, piece);
            escapes = _mm_or_si128(escapes, _mm_cmpeq_epi8(piece, escape));
            deletes = _mm_or_si128(deletes, _mm_cmpeq_epi8(piece, delete));
            lines |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(piece, feed)) << (16 * i);
        }
        for (; lines; lines &= lines - 1, count++)
            if (count < room) out[count] = at + __builtin_ctzll(lines);
    }
    seen |= _mm_movemask_epi8(any) ? SEEN_HIGH : 0;
    seen |= _mm_movemask_epi8(_mm_cmpeq_epi8(least, _mm_setzero_si128())) ? SEEN_ZERO : 0;
    seen |= _mm_movemask_epi8(escapes) ? SEEN_ESCAPE : 0;
    seen |= _mm_movemask_epi8(deletes) ? SEEN_DELETE : 0;
#endif
    for (; at < size; at++) {
        const uint8_t byte = data[at];
        seen |= (byte >= 0x80 ? SEEN_HIGH : 0) | (!byte ? SEEN_ZERO : 0) | (byte == 27 ? SEEN_ESCAPE : 0) |
                (byte == 127 ? SEEN_DELETE : 0);
        if (byte != '\n') continue;
        if (count < room) out[count] = at;
        count++;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    return PyLong_FromLongLong(count << 4 | seen);
}

/* bounds(rows, size, data, ends, start, stop, next): lines that end at `ends`, where an LF or the block's end is, without
   their ends, and where the next ones begin. */
static PyObject *bounds(PyObject *self, PyObject *args) {
    long long number[2];
    buffers_t held;
    if (!integers(args, number, 2) || !take_buffers(&held, args, 2, 5, 2)) return NULL;
    const int64_t rows = number[0], size = number[1];
    if (rows < 0 || size < 0 || !ROOM(0, size) || !ROOM(1, rows * 8) || !ROOM(2, rows * 8) || !ROOM(3, rows * 8) ||
        !ROOM(4, rows * 8))
        return too_small(&held);
    bytes_t data = AS(bytes_t, 0);
    const int64_t *ends = AS(const int64_t *, 1);
    int64_t *start = AS(int64_t *, 2), *stop = AS(int64_t *, 3), *next = AS(int64_t *, 4), at = 0;
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        const int64_t end = ends[row];
        start[row] = at;
        stop[row] = end - (end > at && end < size && data[end - 1] == '\r');
        next[row] = at = end < size ? end + 1 : size;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    Py_RETURN_NONE;
}

/* filled(rows, size, data, start, stop, out): which lines hold something besides blanks. */
static PyObject *filled(PyObject *self, PyObject *args) {
    long long number[2];
    buffers_t held;
    if (!integers(args, number, 2) || !take_buffers(&held, args, 2, 4, 3)) return NULL;
    const int64_t rows = number[0], size = number[1];
    if (rows < 0 || size < 0 || !ROOM(0, size) || !ROOM(1, rows * 8) || !ROOM(2, rows * 8) || !ROOM(3, rows))
        return too_small(&held);
    bytes_t data = AS(bytes_t, 0);
    const int64_t *start = AS(const int64_t *, 1), *stop = AS(const int64_t *, 2);
    uint8_t *out = AS(uint8_t *, 3);
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = start[row] < 0 ? 0 : start[row];
        const int64_t end = stop[row] < size ? stop[row] : size;
        while (at < end && (data[at] == ' ' || (data[at] >= '\t' && data[at] <= '\r' && data[at] != '\n'))) at++;
        out[row] = at < end;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    Py_RETURN_NONE;
}

/* shaped(rows, width, words, data, start, stop, masks, out): which lines begin with a shape; masks are five rows of
   `words` words: literal, literals, digits, padded, letters. */
static PyObject *shaped(PyObject *self, PyObject *args) {
    long long number[3];
    buffers_t held;
    if (!integers(args, number, 3) || !take_buffers(&held, args, 3, 5, 4)) return NULL;
    const int64_t rows = number[0], width = number[1], words = number[2];
    if (rows < 0 || !ROOM(1, rows * 8) || !ROOM(2, rows * 8) || !ROOM(3, words * 40) || !ROOM(4, rows))
        return too_small(&held);
    bytes_t data = AS(bytes_t, 0);
    const int64_t *start = AS(const int64_t *, 1), *stop = AS(const int64_t *, 2);
    const uint64_t *mask = AS(const uint64_t *, 3);
    uint8_t *out = AS(uint8_t *, 4);
    const int64_t last = held.view[0].len - 8 * words;
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = start[row];
        int fits = at >= 0 && at + width <= stop[row] && at <= last;
        for (int64_t i = 0; i < words && fits; i++) {
            const uint64_t literal = mask[i], literals = mask[words + i], digits = mask[2 * words + i];
            const uint64_t padded = mask[3 * words + i], letters = mask[4 * words + i] & 0x4040404040404040ULL;
            uint64_t word = word_at(data, at + 8 * i);
            uint64_t digit = (word | (padded & 0x1010101010101010ULL)) ^ ZEROS;
            uint64_t other = (((digit & ~HIGH) + 0x7676767676767676ULL) | digit) & HIGH;
            fits = !((word ^ literal) & literals) && !(other & (digits | padded)) && (word & letters) == letters;
        }
        out[row] = (uint8_t)fits;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    Py_RETURN_NONE;
}

/* ---- templates ---- */

enum { MOST_STEPS = 64, MOST_PARTS = 16, UNSURE = 2 };
enum { HAS_FIELD = 1, OPTIONAL = 2, BARE = 4, AT_END = 8, TO_LIMIT = 16 };

typedef struct {
    const uint8_t *text;
    int64_t length; /* 0: blanks, one or more of them or the line's end */
} part_t;

typedef struct {
    int flags, kind, slot, count;
    int64_t width, span;
    part_t part[MOST_PARTS];
} step_t;

static inline int blank_or_end(bytes_t data, int64_t at, int64_t size) {
    uint8_t byte = data[at];
    return byte == ' ' || byte == '\n' || at >= size ||
           (byte == '\r' && (data[at + 1] == '\n' || at + 1 >= size));
}

/* What is behind the parts that stand at `at`, -1 where they do not. */
static inline int64_t behind_parts(bytes_t data, int64_t size, const part_t *part, int count, int64_t at) {
    for (int i = 0; i < count; i++) {
        if (!part[i].length) {
            if (!blank_or_end(data, at, size)) return -1;
            at = skip_blanks(data, at);
            if (at > size) return -1;
        } else {
            if (at + part[i].length > size || memcmp(data + at, part[i].text, (size_t)part[i].length)) return -1;
            at += part[i].length;
        }
    }
    return at;
}

/* Where a literal stands next in [from, limit), and what is behind it; -1 where it does not. */
static inline int64_t find_literal(bytes_t data, int64_t size, const step_t *step, int64_t from, int64_t limit,
                                   int64_t *behind) {
    const int lead = step->count > 1 && !step->part[0].length;
    const part_t *part = step->part + lead;
    if (!part->length) { /* a lone blank, or the line's end */
        int64_t at = find_byte(data, ' ', from, limit);
        *behind = skip_blanks(data, at);
        return at;
    }
    const uint8_t anchor = part->text[0];
    for (int64_t at = from; (at = find_byte(data, anchor, at, limit)) < limit; at++) {
        if (lead) {
            if (at < 1 || data[at - 1] != ' ') continue;
        } else if (anchor == '"' && at > 0 && data[at - 1] == '\\' && !(at > 1 && data[at - 2] == '\\')) {
            continue;
        }
        *behind = behind_parts(data, size, part, step->count - lead, at);
        if (*behind >= 0) return at;
    }
    return -1;
}

static int conforms(bytes_t data, int64_t start, int64_t stop, int kind) {
    if (kind == 'w') return find_byte(data, ' ', start, stop) == stop;
    int64_t at = start;
    while (at < stop && is_digit(data[at])) at++;
    if (at == stop) return 1;
    if (kind == 'd') return 0;
    /* A plain decimal is one; what else reads as a number is not for us to say. */
    if (at == start && data[at] == '-') at++;
    int64_t whole = at;
    while (at < stop && is_digit(data[at])) at++;
    if (at == whole || at == stop || data[at] != '.' || stop - start > 30) return UNSURE;
    int64_t point = at++;
    while (at < stop && is_digit(data[at])) at++;
    return at == stop && at > point + 1 ? 1 : UNSURE;
}

/* One row against the steps: 1 it fits, 0 not, UNSURE. `out` is its place in the slots' positions. */
static int match_row(bytes_t data, int64_t size, const step_t *steps, int count, int64_t *at, int64_t limit,
                     int64_t *out, int64_t stride) {
    int64_t pos = *at;
    for (int i = 0; i < count; i++) {
        const step_t *step = steps + i;
        if (!(step->flags & HAS_FIELD)) {
            pos = behind_parts(data, size, step->part, step->count, pos);
            if (pos < 0 || pos > limit) return 0;
            continue;
        }
        int64_t start = pos, stop, behind;
        if (!step->width) {
            start = skip_blanks(data, start);
            if (start > limit) start = limit;
        }
        if (step->width) {
            stop = behind = start + step->width;
            if (stop > limit || (data[stop] & 0xC0) == 0x80) return 0;
            if (step->count && (behind = behind_parts(data, size, step->part, step->count, stop)) < 0) return 0;
        } else if (step->flags & TO_LIMIT) {
            stop = behind = limit;
        } else if (step->flags & AT_END) {
            stop = limit;
            while (stop > start && data[stop - 1] == ' ') stop--;
            stop -= step->span;
            if (stop < start || behind_parts(data, size, step->part, step->count, stop) < 0) return 0;
            behind = limit;
        } else if ((stop = find_literal(data, size, step, start, limit, &behind)) < 0) {
            return 0;
        }
        if (stop < start) stop = start;
        if (!(step->flags & BARE))
            while (stop > start && data[stop - 1] == ' ') stop--;
        if (start == stop && !(step->flags & OPTIONAL)) return 0;
        if (step->kind) {
            int fits = conforms(data, start, stop, step->kind);
            if (fits != 1) return fits;
        }
        if (step->slot >= 0) {
            out[2 * step->slot * stride] = start;
            out[(2 * step->slot + 1) * stride] = stop;
        }
        if (behind > limit) return 0;
        pos = behind;
    }
    *at = pos;
    return 1;
}

/* Steps from their program: per step flags, kind, slot, width, parts and per part the place and length of its text. */
static int compile_steps(const int32_t *code, int64_t length, bytes_t texts, int64_t room, step_t *steps, int slots) {
    int count = 0;
    for (int64_t at = 0; at < length; count++) {
        if (count == MOST_STEPS || at + 5 > length) return -1;
        step_t *step = steps + count;
        step->flags = code[at], step->kind = code[at + 1], step->slot = code[at + 2], step->width = code[at + 3];
        step->count = code[at + 4], step->span = 0;
        at += 5;
        if (step->count < 0 || step->count > MOST_PARTS || at + 2 * step->count > length || step->slot >= slots)
            return -1;
        for (int i = 0; i < step->count; i++, at += 2) {
            if (code[at] < 0 || code[at + 1] < 0 || code[at] + code[at + 1] > room) return -1;
            step->part[i].text = texts + code[at];
            step->part[i].length = code[at + 1];
            step->span += code[at + 1] ? code[at + 1] : 1;
        }
    }
    return count;
}

/* fields(rows, size, slots, code, texts, data, pos, limit, ok, out, sure): move each row that is ok through the steps.
   `pos` becomes where it came to, `ok` whether it fits, `out` (slots, 2, rows) its fields; `sure` false: read it anew. */
static PyObject *fields(PyObject *self, PyObject *args) {
    long long number[3];
    buffers_t held;
    if (!integers(args, number, 3) || !take_buffers(&held, args, 3, 8, 3)) return NULL;
    const int64_t rows = number[0], size = number[1], slots = number[2];
    if (rows < 0 || size < 0 || held.view[2].len < size + 8 || !ROOM(3, rows * 8) || !ROOM(4, rows * 8) ||
        !ROOM(5, rows) || !ROOM(6, slots * rows * 16) || !ROOM(7, rows))
        return too_small(&held);
    step_t steps[MOST_STEPS];
    int count = compile_steps(AS(const int32_t *, 0), held.view[0].len / 4, AS(bytes_t, 1), held.view[1].len, steps,
                              (int)slots);
    if (count < 0) return too_small(&held);
    bytes_t data = AS(bytes_t, 2);
    int64_t *pos = AS(int64_t *, 3), *out = AS(int64_t *, 6);
    const int64_t *limit = AS(const int64_t *, 4);
    uint8_t *ok = AS(uint8_t *, 5), *sure = AS(uint8_t *, 7);
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        const int64_t from = pos[row];
        int fits = ok[row] && from >= 0 && from <= limit[row] && limit[row] <= size;
        if (fits) fits = match_row(data, size, steps, count, pos + row, limit[row], out + row, rows);
        ok[row] = fits == 1, sure[row] = fits != UNSURE;
        if (fits == 1) continue;
        for (int64_t slot = 0; slot < 2 * slots; slot++) out[slot * rows + row] = from;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    Py_RETURN_NONE;
}

/* ---- times ---- */

/* How many of the eight bytes behind the seconds can be a zone's. */
static inline uint64_t zone_kept(uint8_t byte) {
    if (byte == '+' || byte == '-') return (1ULL << 48) - 1;
    return (byte | 32) == 'z' ? 0xFF : 0;
}

static inline uint64_t tail_of(bytes_t data, int64_t at, int64_t limit, int64_t tail) {
    uint64_t word = word_at(data, at);
    if (tail > 0) {
        word &= first_bytes(tail);
    } else {
        uint64_t kept = zone_kept((uint8_t)word);
        if ((uint8_t)word == ' ') {
            uint64_t inner = zone_kept((uint8_t)(word >> 8));
            kept = inner ? (inner << 8) | 0xFF : 0;
        }
        word &= kept;
    }
    return word & first_bytes(limit - at);
}

/* runs(rows, width, seconds, fraction, tail, data, start, limit, us, ok, stop, run, heads) -> how many runs there are.

   Rows whose bytes around the seconds equal those of the row above are one run: `run` is its number, `heads` the row
   it begins with. `us` are the seconds and their fraction, `stop` where these end. `tail`: bytes behind them, -1 a zone. */
static PyObject *runs(PyObject *self, PyObject *args) {
    long long number[5];
    buffers_t held;
    if (!integers(args, number, 5) || !take_buffers(&held, args, 5, 8, 3)) return NULL;
    const int64_t rows = number[0], width = number[1], seconds = number[2], fraction = number[3], tail = number[4];
    const int64_t last = held.view[0].len - width - 22;
    if (rows < 0 || width < 0 || !ROOM(1, rows * 8) || !ROOM(2, rows * 8) || !ROOM(3, rows * 8) || !ROOM(4, rows) ||
        !ROOM(5, rows * 8) || !ROOM(6, rows * 8) || !ROOM(7, rows * 8))
        return too_small(&held);
    bytes_t data = AS(bytes_t, 0);
    const int64_t *start = AS(const int64_t *, 1), *limit = AS(const int64_t *, 2);
    int64_t *us = AS(int64_t *, 3), *stop = AS(int64_t *, 5), *run = AS(int64_t *, 6), *heads = AS(int64_t *, 7);
    uint8_t *ok = AS(uint8_t *, 4);
    int64_t count = 0, head = 0;
    uint64_t behind = 0;
    int inside = 1;
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = start[row] + width, micros = 0;
        int fits = 1;
        if (start[row] < 0 || start[row] > last) {
            inside = 0;
            break;
        }
        if (seconds) {
            uint8_t tens = data[at] - '0', ones = data[at + 1] - '0';
            int64_t second = 10 * tens + ones;
            fits = tens <= 9 && ones <= 9 && second <= 60;
            micros = second * 1000000;
            at += 2;
            if (fraction && (data[at] == '.' || data[at] == ',') && is_digit(data[at + 1])) {
                int64_t unit = 100000, digits = 0;
                for (at++; digits < 9 && is_digit(data[at]); at++, digits++, unit /= 10)
                    micros += unit * (data[at] - '0');
            }
            if (second == 60) micros = 59999999;
        }
        uint64_t now = tail ? tail_of(data, at, limit[row], tail) : 0;
        if (!count || now != behind || memcmp(data + start[row], data + head, (size_t)width)) {
            head = start[row], behind = now;
            heads[count++] = row;
        }
        us[row] = micros, ok[row] = (uint8_t)fits, stop[row] = at, run[row] = count - 1;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    return PyLong_FromLongLong(inside ? count : -1);
}

/* settle(rows, runs, run, base, fits, tail, us, ok, stop): what each row's run comes to is added to its seconds. */
static PyObject *settle(PyObject *self, PyObject *args) {
    long long number[2];
    buffers_t held;
    if (!integers(args, number, 2) || !take_buffers(&held, args, 2, 7, 4)) return NULL;
    const int64_t rows = number[0], runs = number[1];
    if (rows < 0 || runs < 0 || !ROOM(0, rows * 8) || !ROOM(1, runs * 8) || !ROOM(2, runs) || !ROOM(3, runs * 8) ||
        !ROOM(4, rows * 8) || !ROOM(5, rows) || !ROOM(6, rows * 8))
        return too_small(&held);
    const int64_t *run = AS(const int64_t *, 0), *base = AS(const int64_t *, 1), *tail = AS(const int64_t *, 3);
    bytes_t fits = AS(bytes_t, 2);
    int64_t *us = AS(int64_t *, 4), *stop = AS(int64_t *, 6);
    uint8_t *ok = AS(uint8_t *, 5);
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        const int64_t mine = run[row];
        if (mine < 0 || mine >= runs) {
            ok[row] = 0;
            continue;
        }
        us[row] += base[mine], stop[row] += tail[mine], ok[row] &= fits[mine];
    }
    Py_END_ALLOW_THREADS
    release(&held);
    Py_RETURN_NONE;
}

/* ---- words and numbers ---- */

/* levels(rows, none, bits, factor, data, start, stop, keys, rests, codes, out): as `levels.level_codes`. */
static PyObject *levels(PyObject *self, PyObject *args) {
    long long number[3];
    buffers_t held;
    if (!integers(args, number, 3)) return NULL;
    uint64_t factor = PyLong_AsUnsignedLongLong(PyTuple_GetItem(args, 3));
    if (PyErr_Occurred() || !take_buffers(&held, args, 4, 7, 6)) return NULL;
    const int64_t rows = number[0], bits = number[2];
    if (rows < 0 || bits < 1 || bits > 20 || !ROOM(1, rows * 8) || !ROOM(2, rows * 8) || !ROOM(3, 8LL << bits) ||
        !ROOM(4, 8LL << bits) || !ROOM(5, 1LL << bits) || !ROOM(6, rows))
        return too_small(&held);
    bytes_t data = AS(bytes_t, 0), codes = AS(bytes_t, 5);
    const int64_t *start = AS(const int64_t *, 1), *stop = AS(const int64_t *, 2), room = held.view[0].len - 16;
    const uint64_t *keys = AS(const uint64_t *, 3), *rests = AS(const uint64_t *, 4);
    uint8_t *out = AS(uint8_t *, 6);
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        int64_t length = stop[row] - start[row];
        out[row] = (uint8_t)number[1];
        if (length <= 0 || start[row] < 0 || start[row] > room) continue;
        uint64_t inside = first_bytes(length), key = (word_at(data, start[row]) & inside) | (inside & 32 * ONES);
        if (length > 8) key += (uint64_t)length * 0x9E3779B97F4A7C15ULL;
        uint64_t slot = (key * factor) >> (64 - bits);
        if (keys[slot] != key) continue;
        if (length > 8) {
            inside = first_bytes(length - 8);
            if (rests[slot] != ((word_at(data, start[row] + 8) & inside) | (inside & 32 * ONES))) continue;
        }
        out[row] = codes[slot];
    }
    Py_END_ALLOW_THREADS
    release(&held);
    Py_RETURN_NONE;
}

enum { TABLE_BITS = 12, MOST_DISTINCT = 1 << (TABLE_BITS - 2) };

static inline uint64_t hash_of(bytes_t data, int64_t start, int64_t length) {
    uint64_t key = (uint64_t)length * 0x9E3779B97F4A7C15ULL;
    for (; length > 0; start += 8, length -= 8) {
        key = (key ^ (word_at(data, start) & first_bytes(length))) * 0xC2B2AE3D27D4EB4FULL;
        key ^= key >> 29;
    }
    return key * 0xD6E8FEB86659FD93ULL;
}

/* distinct(rows, size, data, start, stop, place, first) -> how many different texts there are, -1 for too many.
   `place` is each row's text, `first` the row each text was met in first, `rows` of the table at most. */
static PyObject *distinct(PyObject *self, PyObject *args) {
    long long number[2];
    buffers_t held;
    if (!integers(args, number, 2) || !take_buffers(&held, args, 2, 5, 3)) return NULL;
    const int64_t rows = number[0], size = number[1];
    if (rows < 0 || held.view[0].len < size + 8 || !ROOM(1, rows * 8) || !ROOM(2, rows * 8) || !ROOM(3, rows * 8) ||
        !ROOM(4, MOST_DISTINCT * 8))
        return too_small(&held);
    bytes_t data = AS(bytes_t, 0);
    const int64_t *start = AS(const int64_t *, 1), *stop = AS(const int64_t *, 2);
    int64_t *place = AS(int64_t *, 3), *first = AS(int64_t *, 4), count = 0;
    int16_t table[1 << TABLE_BITS];
    memset(table, 0xFF, sizeof table);
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows && count >= 0; row++) {
        const int64_t from = start[row], length = stop[row] - from;
        if (length < 0 || from < 0 || stop[row] > size) {
            count = -1;
            break;
        }
        uint64_t slot = hash_of(data, from, length) >> (64 - TABLE_BITS);
        for (;; slot = (slot + 1) & ((1 << TABLE_BITS) - 1)) {
            const int64_t known = table[slot];
            if (known < 0) {
                if (count == MOST_DISTINCT) {
                    count = -1;
                    break;
                }
                table[slot] = (int16_t)count;
                first[count] = row, place[row] = count++;
                break;
            }
            const int64_t other = first[known];
            if (stop[other] - start[other] == length && same_bytes(data, start[other], from, length)) {
                place[row] = known;
                break;
            }
        }
    }
    Py_END_ALLOW_THREADS
    release(&held);
    return PyLong_FromLongLong(count);
}

static const double POWERS[16] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* The double nearest to value / 10^places, where that is certain. */
static inline int quotient(uint64_t value, int64_t digits, int64_t places, double *out) {
    if (digits <= 15) { /* both are exact, and one division rounds once */
        *out = (double)value / POWERS[places];
        return 1;
    }
#if LDBL_MANT_DIG == 64
    if (places > 15 || digits > 19) return 0;
    /* Exact in 64 bits as well; rounded to them, and from them to 53, it is right but where it came to lie halfway. */
    const long double wide = (long double)value / (long double)POWERS[places];
    uint64_t mantissa;
    memcpy(&mantissa, &wide, 8);
    *out = (double)wide;
    return (mantissa & 0x7FF) != 0x400;
#else
    return 0;
#endif
}

/* The high bit of each byte that is no digit, of bytes less the zeros. */
static inline uint64_t not_digits(uint64_t word) {
    return (((word & ~HIGH) + 0x7676767676767676ULL) | word) & HIGH;
}

/* The number that eight digits make, less the zeros: pairs, fours, all. */
static inline uint64_t eight_digits(uint64_t digits) {
    digits = (digits * 2561) >> 8;
    digits = ((digits & 0x00FF00FF00FF00FFULL) * 6553601) >> 16;
    return ((digits & 0x0000FFFF0000FFFFULL) * 42949672960001ULL) >> 32;
}

/* A decimal of at most eight bytes, as most are: whether it is one of digits with a point among them or without. */
static inline int short_decimal(uint64_t word, int64_t length, uint64_t *value, int64_t *digits, int64_t *places) {
    word &= first_bytes(length);
    const uint64_t dots = word ^ 46 * ONES, dot = (dots - ONES) & ~dots & HIGH & first_bytes(length);
    *digits = length, *places = 0;
    if (dot) {
        const uint64_t before = ((dot & (~dot + 1)) >> 7) - 1; /* the bytes before the first point */
        *places = --*digits - lowest_byte(dot);
        if (!*places) return 0;
        word = (word & before) | ((word >> 8) & ~before);
    }
    if (*places == *digits) return 0;
    const uint64_t inside = first_bytes(*digits), number = (word ^ ZEROS) & inside;
    if (not_digits(number) & inside) return 0;
    *value = eight_digits(number << (8 * (8 - *digits)));
    return 1;
}

/* decimals(rows, data, start, stop, out, sure): plain decimals as the doubles nearest to them; empty texts are left
   as they are. Others are unsure. */
static PyObject *decimals(PyObject *self, PyObject *args) {
    long long rows;
    buffers_t held;
    if (!integers(args, &rows, 1) || !take_buffers(&held, args, 1, 5, 3)) return NULL;
    if (rows < 0 || !ROOM(1, rows * 8) || !ROOM(2, rows * 8) || !ROOM(3, rows * 8) || !ROOM(4, rows))
        return too_small(&held);
    bytes_t data = AS(bytes_t, 0);
    const int64_t *start = AS(const int64_t *, 1), *stop = AS(const int64_t *, 2), room = held.view[0].len;
    double *out = AS(double *, 3);
    uint8_t *sure = AS(uint8_t *, 4);
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = start[row];
        const int64_t end = stop[row];
        sure[row] = at == end;
        if (at < 0 || end > room || at >= end || end - at > 21) continue;
        const int negative = data[at] == '-';
        uint64_t value = 0;
        int64_t digits = 0, places = 0;
        if (end - at <= 8 && at + 8 <= room && short_decimal(word_at(data, at), end - at, &value, &digits, &places)) {
            out[row] = (double)value / POWERS[places];
            sure[row] = 1;
            continue;
        }
        value = 0, digits = 0, places = 0;
        for (at += negative; at < end && is_digit(data[at]); at++, digits++) value = 10 * value + (data[at] - '0');
        if (!digits) continue;
        if (at < end && data[at] == '.') {
            at++;
            for (int64_t some; at < end && at + 8 <= room; at += some, places += some) {
                some = end - at < 8 ? end - at : 8;
                const uint64_t inside = first_bytes(some), number = (word_at(data, at) ^ ZEROS) & inside;
                if (not_digits(number) & inside) break;
                value = value * (uint64_t)POWERS[some] + eight_digits(number << (8 * (8 - some)));
            }
            for (; at < end && is_digit(data[at]); at++, places++) value = 10 * value + (data[at] - '0');
            if (!places) continue;
        }
        double found;
        if (at < end || !quotient(value, digits + places, places, &found)) continue;
        out[row] = negative ? -found : found;
        sure[row] = 1;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    Py_RETURN_NONE;
}

/* short_numbers(rows, data, start, stop, out, known): the numbers that texts of one to eight digits are. */
static PyObject *short_numbers(PyObject *self, PyObject *args) {
    long long rows;
    buffers_t held;
    if (!integers(args, &rows, 1) || !take_buffers(&held, args, 1, 5, 3)) return NULL;
    if (rows < 0 || !ROOM(1, rows * 8) || !ROOM(2, rows * 8) || !ROOM(3, rows * 8) || !ROOM(4, rows))
        return too_small(&held);
    bytes_t data = AS(bytes_t, 0);
    const int64_t *start = AS(const int64_t *, 1), *stop = AS(const int64_t *, 2), room = held.view[0].len - 8;
    int64_t *out = AS(int64_t *, 3);
    uint8_t *known = AS(uint8_t *, 4);
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        const int64_t length = stop[row] - start[row];
        known[row] = 0, out[row] = 0;
        if (length <= 0 || length > 8 || start[row] < 0 || start[row] > room) continue;
        const uint64_t inside = first_bytes(length), number = (word_at(data, start[row]) ^ ZEROS) & inside;
        if (not_digits(number) & inside) continue;
        known[row] = 1, out[row] = (int64_t)eight_digits(number << (8 * (8 - length)));
    }
    Py_END_ALLOW_THREADS
    release(&held);
    Py_RETURN_NONE;
}

/* views(rows, size, data, start, stop, out) -> whether all texts are within the block and cut between characters.

   `out` are Arrow's string views of them: 16 bytes each, the length and then the text itself, or its first four bytes and
   where it stands. */
static PyObject *views(PyObject *self, PyObject *args) {
    long long number[2];
    buffers_t held;
    if (!integers(args, number, 2) || !take_buffers(&held, args, 2, 4, 3)) return NULL;
    const int64_t rows = number[0], size = number[1];
    if (rows < 0 || size < 0 || held.view[0].len < size + 16 || !ROOM(1, rows * 8) || !ROOM(2, rows * 8) ||
        !ROOM(3, rows * 16))
        return too_small(&held);
    bytes_t data = AS(bytes_t, 0);
    const int64_t *start = AS(const int64_t *, 1), *stop = AS(const int64_t *, 2);
    uint64_t *out = AS(uint64_t *, 3);
    int sound = size < INT32_MAX;
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows && sound; row++) {
        const int64_t from = start[row], length = stop[row] - from;
        sound = from >= 0 && length >= 0 && stop[row] <= size;
        if (!sound) break;
        if (length) sound = (data[from] & 0xC0) != 0x80 && (data[stop[row]] & 0xC0) != 0x80;
        const uint64_t shown = word_at(data, from) & first_bytes(length);
        out[2 * row] = shown << 32 | (uint64_t)length;
        out[2 * row + 1] =
            length > 12 ? (uint64_t)from << 32 : word_at(data, from + 4) & first_bytes(length - 4);
    }
    Py_END_ALLOW_THREADS
    release(&held);
    return PyBool_FromLong(sound);
}

enum { INLINE = 12, SAMPLE = 256 };

/* A view's text in the buffers its column has, NULL where it is not within them. */
static inline bytes_t text_at(const Py_buffer *data, int count, uint64_t low, uint64_t high) {
    const uint32_t length = (uint32_t)low, buffer = (uint32_t)high;
    const uint64_t from = high >> 32;
    if (buffer >= (uint32_t)count || from + length > (uint64_t)data[buffer].len) return NULL;
    return (bytes_t)data[buffer].buf + from;
}

/* As `hash_of`, of more than eight bytes with nothing behind them that may be read. */
static inline uint64_t hash_within(bytes_t text, int64_t length) {
    uint64_t key = (uint64_t)length * 0x9E3779B97F4A7C15ULL;
    for (int64_t at = 0; at < length - 8; at += 8) {
        key = (key ^ word_at(text, at)) * 0xC2B2AE3D27D4EB4FULL;
        key ^= key >> 29;
    }
    return (key ^ word_at(text, length - 8)) * 0xD6E8FEB86659FD93ULL;
}

/* moved(rows, cursor, views, valid, base, base_moved, data..., out) -> the cursor behind what the column needs, -1 where
   a view is not within its data.

   Plans the move of a column of string views into one buffer: `out` are its views then. Long texts are laid out from
   `cursor` on, each of a few different ones once; one that lies within the same row's text of the `base` column, whose
   views before and after it was moved are given, is shared with it. `valid`: bits, or nothing where all rows are. */
static PyObject *moved(PyObject *self, PyObject *args) {
    long long number[2];
    buffers_t held;
    if (!integers(args, number, 2)) return NULL;
    const int wanted = (int)PyTuple_Size(args) - 2, sources = wanted - 5;
    if (!take_buffers(&held, args, 2, wanted, wanted - 1)) return NULL;
    const int64_t rows = number[0];
    int64_t cursor = number[1];
    bytes_t valid = NULL;
    const uint64_t *base = NULL, *base_moved = NULL;
    if (rows < 0 || cursor < 0 || sources < 0 || !ROOM(0, rows * 16) || !ROOM(wanted - 1, rows * 16))
        return too_small(&held);
    if (held.view[1].len) valid = AS(bytes_t, 1);
    if (held.view[2].len) base = AS(const uint64_t *, 2), base_moved = AS(const uint64_t *, 3);
    if ((valid && !ROOM(1, (rows + 7) / 8)) || (base && !(ROOM(2, rows * 16) && ROOM(3, rows * 16))))
        return too_small(&held);
    const uint64_t *in = AS(const uint64_t *, 0);
    uint64_t *out = AS(uint64_t *, wanted - 1);
    const Py_buffer *data = held.view + 4;
    int16_t table[1 << TABLE_BITS];
    bytes_t known[MOST_DISTINCT];
    uint64_t place[MOST_DISTINCT];
    int64_t lengths[MOST_DISTINCT], count = 0, seen = 0;
    int few = 1;
    memset(table, 0xFF, sizeof table);
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        uint64_t low = in[2 * row], high = in[2 * row + 1];
        const int64_t length = (uint32_t)low;
        if (valid && !(valid[row >> 3] >> (row & 7) & 1)) low = high = 0;
        else if (length > INLINE) {
            bytes_t text = text_at(data, sources, low, high);
            if (!text) {
                cursor = -1;
                break;
            }
            if (base && (uint32_t)base_moved[2 * row] > INLINE && (uint32_t)base[2 * row + 1] == (uint32_t)high &&
                high >= base[2 * row + 1] &&
                (high >> 32) + (uint64_t)length <= (base[2 * row + 1] >> 32) + (uint32_t)base[2 * row]) {
                high = (base_moved[2 * row + 1] >> 32) + (high >> 32) - (base[2 * row + 1] >> 32);
            } else if (few) {
                uint64_t slot = hash_within(text, length) >> (64 - TABLE_BITS);
                int64_t found;
                while ((found = table[slot]) >= 0 && (lengths[found] != length || memcmp(known[found], text, (size_t)length)))
                    slot = (slot + 1) & ((1 << TABLE_BITS) - 1);
                if (found < 0) {
                    found = count++;
                    table[slot] = (int16_t)found;
                    known[found] = text, lengths[found] = length, place[found] = (uint64_t)cursor;
                    cursor += length;
                }
                high = place[found];
                few = count < MOST_DISTINCT && (++seen != SAMPLE || 2 * count <= SAMPLE);
            } else {
                high = (uint64_t)cursor;
                cursor += length;
            }
            high <<= 32;
        }
        out[2 * row] = low, out[2 * row + 1] = high;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    return PyLong_FromLongLong(cursor);
}

/* copied(rows, cursor, views, moved, data..., heap): copy the long texts of a column to where `moved` has laid them out. */
static PyObject *copied(PyObject *self, PyObject *args) {
    long long number[2];
    buffers_t held;
    if (!integers(args, number, 2)) return NULL;
    const int wanted = (int)PyTuple_Size(args) - 2, sources = wanted - 3;
    if (!take_buffers(&held, args, 2, wanted, wanted - 1)) return NULL;
    const int64_t rows = number[0];
    uint64_t cursor = (uint64_t)number[1];
    if (rows < 0 || sources < 0 || !ROOM(0, rows * 16) || !ROOM(1, rows * 16)) return too_small(&held);
    const uint64_t *in = AS(const uint64_t *, 0), *out = AS(const uint64_t *, 1);
    uint8_t *heap = AS(uint8_t *, wanted - 1);
    const uint64_t room = (uint64_t)held.view[wanted - 1].len;
    int sound = 1;
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        const uint64_t length = (uint32_t)out[2 * row];
        if (length <= INLINE || out[2 * row + 1] >> 32 != cursor) continue;
        bytes_t text = text_at(held.view + 2, sources, in[2 * row], in[2 * row + 1]);
        sound = text && (uint32_t)in[2 * row] == length && cursor + length <= room;
        if (!sound) break;
        memcpy(heap + cursor, text, length);
        cursor += length;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    return PyBool_FromLong(sound);
}

/* ---- JSON ---- */

enum { MOST_DEPTH = 24, MOST_NUMBER = 300, MOST_SEEN = 32, NOTHING = 2 /* a null */ };

typedef struct {
    int32_t key, length, slot, child; /* slot and child: -1 for none */
    int32_t number;                   /* whether its value is read as a number, however it is written */
} entry_t;

typedef struct {
    int32_t first, count;
} node_t;

typedef struct {
    bytes_t data, keys;
    int64_t stop;
    const node_t *nodes;
    const entry_t *entries;
    int64_t *out;
    uint8_t *there;
    int64_t stride;
    int64_t top;   /* keys of the outermost object */
    uint64_t met;  /* a bit for each node whose key was met: of two values of one name only the first counts */
    int32_t next[16]; /* the entry behind the last one met, for the first nodes: keys mostly come in one order */
    struct {
        int64_t at, length; /* from its quote to its colon */
        const entry_t *entry;
    } seen[MOST_SEEN]; /* the keys of the last outermost object, in its order: those of the next are mostly the same */
} json_t;

static inline int64_t json_blanks(const json_t *json, int64_t at) {
    while (at < json->stop) {
        uint8_t byte = json->data[at];
        if (byte > ' ' || !(byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r')) break;
        at++;
    }
    return at;
}

/* Behind the string whose first byte behind its quote is `at`, -1 where this is not certain. Sets `*plain` to whether
   it holds no escape. */
static inline int64_t json_string(const json_t *json, int64_t at, int *plain) {
    bytes_t data = json->data;
    *plain = 1;
    for (;;) {
#if defined(WIDE)
        const __m128i piece = _mm_loadu_si128((const __m128i *)(data + at));
        const __m128i quotes = _mm_cmpeq_epi8(piece, _mm_set1_epi8('"'));
        const __m128i slashes = _mm_cmpeq_epi8(piece, _mm_set1_epi8('\\'));
        const __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(piece, _mm_set1_epi8(31)), piece);
        const int hits = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, slashes), controls));
        if (!hits) {
            at += 16;
            if (at >= json->stop) return -1;
            continue;
        }
        at += __builtin_ctz((unsigned)hits);
#else
        uint64_t word = word_at(data, at), quote = word ^ 34 * ONES, slash = word ^ 92 * ONES;
        /* The lowest bit set is exact; bits above a byte found may be wrong. */
        uint64_t hits = ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) | ((word - 32 * ONES) & ~word);
        hits &= HIGH;
        if (!hits) {
            at += 8;
            if (at >= json->stop) return -1;
            continue;
        }
        at += lowest_byte(hits);
#endif
        if (at >= json->stop) return -1;
        if (data[at] == '"') return at + 1;
        if (data[at] != '\\') return -1;
        *plain = 0;
        switch (data[at + 1]) {
        case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
            at += 2;
            break;
        case 'u': /* but for surrogates, of which two must come together */
            for (int i = 2; i < 6; i++) {
                uint8_t byte = data[at + i];
                if (!is_digit(byte) && !((byte | 32) >= 'a' && (byte | 32) <= 'f')) return -1;
            }
            if ((data[at + 2] | 32) == 'd' && data[at + 3] >= '8') return -1;
            at += 6;
            break;
        default:
            return -1;
        }
        if (at >= json->stop) return -1;
    }
}

/* Behind the number at `at`, -1 where this is not certain. `*plain`: it is written as it would be printed. */
static inline int64_t json_number(const json_t *json, int64_t at, int *plain) {
    bytes_t data = json->data;
    const int64_t start = at;
    at += data[at] == '-';
    const int64_t whole = at;
    if (data[at] == '0') at++;
    else while (is_digit(data[at])) at++;
    int64_t digits = at - whole;
    if (!digits) return -1;
    *plain = digits <= 18 && !(at - start == 2 && data[start] == '-' && data[whole] == '0');
    if (data[at] == '.') {
        const int64_t point = ++at;
        while (is_digit(data[at])) at++;
        if (at == point) return -1;
        digits += at - point;
        *plain = digits <= 15 && data[at - 1] != '0' && !(data[whole] == '0' && data[point] == '0');
    }
    if ((data[at] | 32) == 'e') {
        *plain = 0;
        at++;
        at += data[at] == '+' || data[at] == '-';
        const int64_t exponent = at;
        while (is_digit(data[at])) at++;
        if (at == exponent || at - exponent > 2) return -1;
    }
    return at <= json->stop && at - start <= MOST_NUMBER ? at : -1;
}

static int64_t json_value(json_t *json, int64_t at, const entry_t *entry, int depth);

static inline int json_keep(json_t *json, int32_t slot, int64_t start, int64_t stop) {
    if (json->there[slot * json->stride]) return 0; /* written twice: which one counts is not for us to say */
    json->there[slot * json->stride] = stop < start ? NOTHING : 1;
    json->out[2 * slot * json->stride] = start;
    json->out[(2 * slot + 1) * json->stride] = stop;
    return 1;
}

/* Behind the string at `at`, which is kept in a slot, -1 where this is not certain. */
static inline int64_t json_text(json_t *json, int64_t at, int32_t slot) {
    int plain;
    const int64_t start = at + 1;
    at = json_string(json, start, &plain);
    if (at < 0 || slot < 0) return at;
    return plain && json_keep(json, slot, start, at - 1) ? at : -1;
}

/* The entry of a key of a node, NULL where it is not looked for. */
static inline const entry_t *json_entry(json_t *json, int32_t node, int64_t key, int64_t length) {
    const entry_t *entries = json->entries + json->nodes[node].first;
    const int32_t count = json->nodes[node].count;
    int32_t place = node < 16 ? json->next[node] : 0;
    for (int32_t tried = 0; tried < count; tried++, place++) {
        if (place >= count) place = 0;
        const entry_t *entry = entries + place;
        if (entry->length == length && !memcmp(json->keys + entry->key, json->data + key, (size_t)length)) {
            if (node < 16) json->next[node] = place + 1;
            return entry;
        }
    }
    return NULL;
}

static int64_t json_object(json_t *json, int64_t at, int32_t node, int depth) {
    bytes_t data = json->data;
    int64_t keys = 0;
    int plain;
    at = json_blanks(json, at);
    if (at < json->stop && data[at] == '}') return at + 1;
    for (;; keys++) {
        const int64_t quote = at;
        const entry_t *found = NULL;
        const int same = !depth && keys < MOST_SEEN && json->seen[keys].length &&
                         at + json->seen[keys].length < json->stop &&
                         same_bytes(data, json->seen[keys].at, at, json->seen[keys].length);
        if (same) {
            at += json->seen[keys].length;
            found = json->seen[keys].entry;
        } else {
            if (at >= json->stop || data[at] != '"') return -1;
            at = json_string(json, quote + 1, &plain);
            if (at < 0) return -1;
            if (node >= 0) {
                if (!plain) return -1; /* it may be one of those wanted */
                found = json_entry(json, node, quote + 1, at - quote - 2);
            }
            at = json_blanks(json, at);
            if (at >= json->stop || data[at] != ':') return -1;
            at++;
            if (!depth && keys < MOST_SEEN)
                json->seen[keys].at = quote, json->seen[keys].length = at - quote, json->seen[keys].entry = found;
        }
        if (found && found->child >= 0) {
            if (found->child > 63 || json->met >> found->child & 1) return -1;
            json->met |= 1ULL << found->child;
        }
        at = json_blanks(json, at);
        at = at < json->stop && data[at] == '"' /* as most values are */
                 ? json_text(json, at, found ? found->slot : -1)
                 : json_value(json, at, found, depth);
        if (at < 0) return -1;
        at = json_blanks(json, at);
        if (at >= json->stop) return -1;
        if (data[at] == '}') break;
        if (data[at] != ',') return -1;
        at = json_blanks(json, at + 1);
    }
    if (!depth) json->top = keys + 1;
    return at + 1;
}

static int64_t json_array(json_t *json, int64_t at, int depth) {
    at = json_blanks(json, at);
    if (at < json->stop && json->data[at] == ']') return at + 1;
    for (;;) {
        at = json_value(json, at, NULL, depth);
        if (at < 0) return -1;
        at = json_blanks(json, at);
        if (at >= json->stop) return -1;
        if (json->data[at] == ']') return at + 1;
        if (json->data[at] != ',') return -1;
        at = json_blanks(json, at + 1);
    }
}

/* Behind the value at `at`, -1 where this is not certain. */
static int64_t json_value(json_t *json, int64_t at, const entry_t *entry, int depth) {
    bytes_t data = json->data;
    const int32_t slot = entry ? entry->slot : -1;
    int64_t start = at;
    int plain = 1;
    if (at >= json->stop) return -1;
    switch (data[at]) {
    case '"':
        return json_text(json, at, slot);
    case '{':
        if (slot >= 0 || depth >= MOST_DEPTH) return -1;
        return json_object(json, at + 1, entry ? entry->child : -1, depth + 1);
    case '[':
        if (slot >= 0 || depth >= MOST_DEPTH) return -1;
        return json_array(json, at + 1, depth + 1);
    case 't':
        at = json->stop - at >= 4 && !memcmp(data + at, "true", 4) ? at + 4 : -1;
        break;
    case 'f':
        at = json->stop - at >= 5 && !memcmp(data + at, "false", 5) ? at + 5 : -1;
        break;
    case 'n':
        if (json->stop - at < 4 || memcmp(data + at, "null", 4)) return -1;
        return slot < 0 || json_keep(json, slot, 1, 0) ? at + 4 : -1;
    default:
        at = json_number(json, at, &plain);
        plain |= slot >= 0 && entry->number && at - start <= 20;
        break;
    }
    if (at < 0 || slot < 0) return at;
    return plain && json_keep(json, slot, start, at) ? at : -1;
}

/* objects(rows, size, slots, data, start, stop, keys, nodes, entries, out, there, top, sure): the values of some keys.

   For each row that holds one JSON object and nothing else `sure` is true; `out` (slots, 2, rows) then is where the
   values are, strings without their quotes, of those that are `there` (slots, rows), and `top` how many keys it has.
   Not sure: what is malformed, and values whose text is not what stands there: escapes, nested ones, odd numbers. */
static PyObject *objects(PyObject *self, PyObject *args) {
    long long number[3];
    buffers_t held;
    if (!integers(args, number, 3) || !take_buffers(&held, args, 3, 10, 6)) return NULL;
    const int64_t rows = number[0], size = number[1], slots = number[2];
    if (rows < 0 || size < 0 || held.view[0].len < size + 16 || !ROOM(1, rows * 8) || !ROOM(2, rows * 8) ||
        !ROOM(6, slots * rows * 16) || !ROOM(7, slots * rows) || !ROOM(8, rows * 8) || !ROOM(9, rows))
        return too_small(&held);
    const node_t *nodes = AS(const node_t *, 4);
    const entry_t *entries = AS(const entry_t *, 5);
    const int64_t node_count = held.view[4].len / sizeof(node_t), entry_count = held.view[5].len / sizeof(entry_t);
    int sound = node_count > 0;
    for (int64_t i = 0; i < node_count; i++)
        sound &= nodes[i].first >= 0 && nodes[i].count >= 0 && nodes[i].first + nodes[i].count <= entry_count;
    for (int64_t i = 0; i < entry_count; i++)
        sound &= entries[i].key >= 0 && entries[i].length >= 0 && entries[i].slot < slots &&
                 entries[i].child < node_count && entries[i].key + entries[i].length <= held.view[3].len;
    if (!sound) return too_small(&held);
    const int64_t *start = AS(const int64_t *, 1), *stop = AS(const int64_t *, 2);
    int64_t *out = AS(int64_t *, 6), *top = AS(int64_t *, 8);
    uint8_t *there = AS(uint8_t *, 7), *sure = AS(uint8_t *, 9);
    json_t json = {.data = AS(bytes_t, 0), .keys = AS(bytes_t, 3), .nodes = nodes, .entries = entries, .stride = rows};
    memset(json.next, 0, sizeof json.next), memset(json.seen, 0, sizeof json.seen);
    Py_BEGIN_ALLOW_THREADS
    memset(there, 0, (size_t)(slots * rows));
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = -1;
        json.out = out + row, json.there = there + row, json.stop = stop[row], json.top = 0, json.met = 0;
        if (start[row] >= 0 && start[row] < stop[row] && stop[row] <= size) {
            at = json_blanks(&json, start[row]);
            at = at < json.stop && json.data[at] == '{' ? json_object(&json, at + 1, 0, 0) : -1;
        }
        sure[row] = at >= 0 && json_blanks(&json, at) == json.stop;
        top[row] = json.top;
        if (sure[row]) continue;
        for (int64_t slot = 0; slot < slots; slot++) there[slot * rows + row] = 0;
    }
    for (int64_t slot = 0; slot < slots; slot++)
        for (int64_t row = 0; row < rows; row++)
            if (there[slot * rows + row] != 1)
                there[slot * rows + row] = 0, out[2 * slot * rows + row] = out[(2 * slot + 1) * rows + row] = 0;
    Py_END_ALLOW_THREADS
    release(&held);
    Py_RETURN_NONE;
}

/* ---- tables ---- */

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, MOST_COLUMNS = 8 };

typedef struct {
    uint64_t code;
    uint32_t row;
} coded_t;

/* Sort by the lowest `bits` of the codes, a digit at a time; says in which of the two arrays the result is. */
static coded_t *radix_sort(coded_t *from, coded_t *to, int64_t rows, int bits) {
    for (int shift = 0; shift < bits; shift += DIGIT_BITS) {
        int64_t place[DIGITS] = {0}, sum = 0;
        for (int64_t i = 0; i < rows; i++) place[(from[i].code >> shift) & (DIGITS - 1)]++;
        for (int digit = 0; digit < DIGITS; digit++) {
            const int64_t here = place[digit];
            place[digit] = sum, sum += here;
        }
        for (int64_t i = 0; i < rows; i++) to[place[(from[i].code >> shift) & (DIGITS - 1)]++] = from[i];
        coded_t *other = from;
        from = to, to = other;
    }
    return from;
}

/* gather(rows, columns, counted, keys, counts, out_keys, out_counts, scratch) -> how many different keys there are, -1
   where they do not fit in a code. All arrays are (columns, rows); the first column is the most significant. */
static PyObject *gather(PyObject *self, PyObject *args) {
    long long number[3];
    buffers_t held;
    if (!integers(args, number, 3) || !take_buffers(&held, args, 3, 5, 2)) return NULL;
    const int64_t rows = number[0], columns = number[1], counted = number[2];
    if (rows < 1 || rows > INT32_MAX || columns < 1 || columns > MOST_COLUMNS || counted < 0 ||
        !ROOM(0, rows * columns * 8) || !ROOM(1, rows * counted * 8) || !ROOM(2, rows * columns * 8) ||
        !ROOM(3, rows * counted * 8) || !ROOM(4, 2 * rows * sizeof(coded_t)))
        return too_small(&held);
    const int64_t *keys = AS(const int64_t *, 0), *counts = AS(const int64_t *, 1);
    int64_t *out_keys = AS(int64_t *, 2), *out_counts = AS(int64_t *, 3), groups = -1;
    coded_t *coded = AS(coded_t *, 4);
    int bits = 0;
    Py_BEGIN_ALLOW_THREADS
    uint64_t low[MOST_COLUMNS], width[MOST_COLUMNS], room = 1;
    for (int64_t column = 0; column < columns; column++) {
        const int64_t *key = keys + column * rows;
        int64_t least = key[0], most = key[0];
        for (int64_t i = 1; i < rows; i++) {
            least = key[i] < least ? key[i] : least;
            most = key[i] > most ? key[i] : most;
        }
        low[column] = (uint64_t)least, width[column] = (uint64_t)most - (uint64_t)least + 1;
        if (!width[column] || room > (1ULL << 62) / width[column]) room = 0;
        room *= width[column];
    }
    if (room) {
        while (bits < 63 && (room - 1) >> bits) bits++;
        for (int64_t i = 0; i < rows; i++) {
            uint64_t code = 0;
            for (int64_t column = 0; column < columns; column++)
                code = code * width[column] + ((uint64_t)keys[column * rows + i] - low[column]);
            coded[i].code = code, coded[i].row = (uint32_t)i;
        }
        coded = radix_sort(coded, coded + rows, rows, bits);
        for (int64_t i = 0; i < rows; i++) {
            const int64_t row = coded[i].row;
            const int fresh = !i || coded[i].code != coded[i - 1].code;
            groups += fresh;
            for (int64_t column = 0; fresh && column < columns; column++)
                out_keys[column * rows + groups] = keys[column * rows + row];
            for (int64_t column = 0; column < counted; column++) {
                int64_t *sum = out_counts + column * rows + groups;
                *sum = counts[column * rows + row] + (fresh ? 0 : *sum);
            }
        }
        groups++;
    }
    Py_END_ALLOW_THREADS
    release(&held);
    return PyLong_FromLongLong(groups);
}

/* Tables of counts that are added up: keys (columns, rows), whose first column is looked up in names, and whose third,
   a time in us or -1, is coarsened; and one row of counts. */
typedef struct {
    Py_buffer view[3];
    const int64_t *keys, *counts, *names;
    int64_t rows, named;
    int held;
} table_t;

static void release_tables(table_t *table, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++)
        while (table[i].held) PyBuffer_Release(&table[i].view[--table[i].held]);
    PyMem_Free(table);
}

/* The tables of a list of (keys, counts, names), NULL with an exception set. */
static table_t *take_tables(PyObject *list, int64_t columns, Py_ssize_t *count) {
    *count = PyList_Size(list);
    if (*count < 0) return NULL;
    table_t *tables = PyMem_Calloc((size_t)*count + 1, sizeof(table_t));
    if (tables == NULL) return (table_t *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < *count; i++) {
        table_t *table = tables + i;
        for (; table->held < 3; table->held++) {
            PyObject *item = PyTuple_GetItem(PyList_GetItem(list, i), table->held);
            if (item == NULL || PyObject_GetBuffer(item, &table->view[table->held], PyBUF_C_CONTIGUOUS) < 0) {
                release_tables(tables, *count);
                return NULL;
            }
        }
        table->keys = table->view[0].buf, table->counts = table->view[1].buf, table->names = table->view[2].buf;
        table->rows = table->view[1].len / 8, table->named = table->view[2].len / 8;
        if (table->view[0].len < (Py_ssize_t)(columns * table->rows * 8)) {
            release_tables(tables, *count);
            PyErr_SetString(PyExc_ValueError, "expected keys for each count, found fewer");
            return NULL;
        }
    }
    return tables;
}

/* What begins as (columns, width, tables, low, high): its numbers, its buffers behind the tables, and these; NULL with an
   exception set and nothing held. */
static table_t *take_summands(
    PyObject *args, int buffers, int writable, long long *number, buffers_t *held, Py_ssize_t *count) {
    if (!integers(args, number, 2) || !take_buffers(held, args, 3, buffers, writable)) return NULL;
    const long long columns = number[0];
    if (columns < 3 || columns > MOST_COLUMNS || number[1] < 1 || held->view[0].len < (Py_ssize_t)(columns * 8) ||
        held->view[1].len < (Py_ssize_t)(columns * 8)) {
        too_small(held);
        return NULL;
    }
    table_t *tables = take_tables(PyTuple_GetItem(args, 2), columns, count);
    if (tables == NULL) release(held);
    return tables;
}

/* A time's bucket, and -1 for none; the one of the row before is mostly it. */
static inline int64_t bucket_of(int64_t time, int64_t width, int64_t *last, int64_t *bucket) {
    if (time != *last) *last = time, *bucket = time < 0 ? -1 : time / width;
    return *bucket;
}

/* extents(columns, width, tables, low, high) -> whether every name is known and every count is above 0. `low` and `high`
   are the least and the greatest of each column, names looked up and times as buckets of a width. */
static PyObject *extents(PyObject *self, PyObject *args) {
    long long number[2];
    buffers_t held;
    Py_ssize_t count;
    table_t *tables = take_summands(args, 2, 0, number, &held, &count);
    if (tables == NULL) return NULL;
    const int64_t columns = number[0], width = number[1];
    int64_t *low = AS(int64_t *, 0), *high = AS(int64_t *, 1);
    int sound = 1;
    Py_BEGIN_ALLOW_THREADS
    for (int64_t column = 0; column < columns; column++) {
        int64_t least = INT64_MAX, most = INT64_MIN;
        for (Py_ssize_t i = 0; i < count && sound; i++) {
            const int64_t *key = tables[i].keys + column * tables[i].rows, rows = tables[i].rows;
            int64_t lowest = INT64_MAX, highest = INT64_MIN;
            for (int64_t row = 0; row < rows; row++) {
                lowest = key[row] < lowest ? key[row] : lowest;
                highest = key[row] > highest ? key[row] : highest;
            }
            if (!rows) continue;
            if (column == 2) lowest = lowest < 0 ? -1 : lowest / width, highest = highest < 0 ? -1 : highest / width;
            if (column == 0) {
                const int64_t *name = tables[i].names;
                sound = lowest >= 0 && highest < tables[i].named;
                lowest = INT64_MAX, highest = INT64_MIN;
                for (int64_t place = 0; place < tables[i].named; place++) {
                    lowest = name[place] < lowest ? name[place] : lowest;
                    highest = name[place] > highest ? name[place] : highest;
                }
                for (int64_t row = 0; row < rows && sound; row++) sound = tables[i].counts[row] > 0;
            }
            least = lowest < least ? lowest : least;
            most = highest > most ? highest : most;
        }
        low[column] = least, high[column] = most;
    }
    Py_END_ALLOW_THREADS
    release_tables(tables, count);
    release(&held);
    return PyBool_FromLong(sound);
}

/* pile(columns, width, tables, low, high, cells) -> how many of the cells hold something, -1 where a key has none. There
   is a cell, 0 at first, for each key between `low` and `high`, in the keys' order. */
static PyObject *pile(PyObject *self, PyObject *args) {
    long long number[2];
    buffers_t held;
    Py_ssize_t count;
    table_t *tables = take_summands(args, 3, 2, number, &held, &count);
    if (tables == NULL) return NULL;
    const int64_t columns = number[0], width = number[1];
    const int64_t *low = AS(const int64_t *, 0), *high = AS(const int64_t *, 1), size = held.view[2].len / 8;
    int64_t *cells = AS(int64_t *, 2), found = 0;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count && found >= 0; i++) {
        const table_t *table = tables + i;
        const int64_t rows = table->rows, named = table->named;
        int64_t last = -1, bucket = -1;
        for (int64_t row = 0; row < rows; row++) {
            const int64_t name = table->keys[row];
            uint64_t code = 0;
            int inside = name >= 0 && name < named;
            for (int64_t column = 0; column < columns && inside; column++) {
                int64_t key = column ? table->keys[column * rows + row] : table->names[name];
                if (column == 2) key = bucket_of(key, width, &last, &bucket);
                inside = key >= low[column] && key <= high[column];
                code = code * ((uint64_t)high[column] - (uint64_t)low[column] + 1) + ((uint64_t)key - (uint64_t)low[column]);
            }
            if (!inside || code >= (uint64_t)size) {
                found = -1;
                break;
            }
            cells[code] += table->counts[row];
        }
    }
    for (int64_t i = 0; i < size && found >= 0; i++) found += cells[i] != 0;
    Py_END_ALLOW_THREADS
    release_tables(tables, count);
    release(&held);
    return PyLong_FromLongLong(found);
}

/* unpile(columns, width, rows, cells, low, high, keys, counts): the keys and counts of the cells that hold something. */
static PyObject *unpile(PyObject *self, PyObject *args) {
    long long number[3];
    buffers_t held;
    if (!integers(args, number, 3) || !take_buffers(&held, args, 3, 5, 3)) return NULL;
    const int64_t columns = number[0], width = number[1], rows = number[2];
    if (columns < 3 || columns > MOST_COLUMNS || rows < 0 || !ROOM(1, columns * 8) || !ROOM(2, columns * 8) ||
        !ROOM(3, columns * rows * 8) || !ROOM(4, rows * 8))
        return too_small(&held);
    const int64_t *cells = AS(const int64_t *, 0), *low = AS(const int64_t *, 1), *high = AS(const int64_t *, 2);
    const int64_t size = held.view[0].len / 8;
    int64_t *keys = AS(int64_t *, 3), *counts = AS(int64_t *, 4), row = 0, here[MOST_COLUMNS];
    Py_BEGIN_ALLOW_THREADS
    memcpy(here, low, (size_t)columns * 8);
    for (int64_t cell = 0; cell < size && row < rows; cell++) {
        if (cells[cell]) {
            for (int64_t column = 0; column < columns; column++)
                keys[column * rows + row] = column == 2 && here[2] > 0 ? here[2] * width : here[column];
            counts[row++] = cells[cell];
        }
        for (int64_t column = columns - 1; column >= 0 && ++here[column] > high[column]; column--)
            here[column] = low[column];
    }
    Py_END_ALLOW_THREADS
    release(&held);
    Py_RETURN_NONE;
}

/* Sort by the lowest `bits` of the codes; says in which of the two arrays the result is. */
static uint64_t *sort_codes(uint64_t *from, uint64_t *to, int64_t rows, int bits) {
    const int passes = (bits + DIGIT_BITS - 1) / DIGIT_BITS, width = passes ? (bits + passes - 1) / passes : 0;
    const uint64_t mask = (1ULL << width) - 1;
    for (int shift = 0; shift < bits; shift += width) {
        int64_t place[DIGITS] = {0}, sum = 0;
        for (int64_t i = 0; i < rows; i++) place[(from[i] >> shift) & mask]++;
        for (uint64_t digit = 0; digit <= mask; digit++) {
            const int64_t here = place[digit];
            place[digit] = sum, sum += here;
        }
        for (int64_t i = 0; i < rows; i++) to[place[(from[i] >> shift) & mask]++] = from[i];
        uint64_t *other = from;
        from = to, to = other;
    }
    return from;
}

/* survey(rows, size, stop, us, level, service, durations, codes, lookup, key, totals, extremes) -> whether all rows are
   in range. `key` is each row's service, looked up, times the number of codes, and the code of its level, below `size`;
   `totals` (4, size) are events, those with a time, the first and the last time of each key, which the caller has begun
   with; `extremes` the first and last time of all rows, and of those with a duration, and how many these are. */
static PyObject *survey(PyObject *self, PyObject *args) {
    long long number[3];
    buffers_t held;
    if (!integers(args, number, 3) || !take_buffers(&held, args, 3, 9, 6)) return NULL;
    const int64_t rows = number[0], size = number[1], stop = number[2];
    const int64_t levels = held.view[4].len / 8, services = held.view[5].len / 8, durations = held.view[3].len / 8;
    if (rows < 0 || size < 0 || size > INT32_MAX || !ROOM(0, rows * 8) || !ROOM(1, rows) || !ROOM(2, rows * 8) ||
        (durations && durations < rows) || !ROOM(6, rows * 4) || !ROOM(7, size * 32) || !ROOM(8, 40))
        return too_small(&held);
    const int64_t *us = AS(const int64_t *, 0), *service = AS(const int64_t *, 2), *code = AS(const int64_t *, 4);
    const int64_t *lookup = AS(const int64_t *, 5);
    bytes_t level = AS(bytes_t, 1);
    const double *duration = AS(const double *, 3);
    int32_t *key = AS(int32_t *, 6);
    int64_t *events = AS(int64_t *, 7), *timed = events + size, *first = timed + size, *last = first + size;
    int64_t *extreme = AS(int64_t *, 8), low = INT64_MAX, high = -1, soonest = INT64_MAX, latest = -1, lasting = 0;
    int sound = 1;
    Py_BEGIN_ALLOW_THREADS
    for (int64_t row = 0; row < rows; row++) {
        const int64_t place = service[row];
        if (place < 0 || place >= services || level[row] >= levels) {
            sound = 0;
            break;
        }
        const int64_t found = lookup[place] * levels + code[level[row]], time = us[row];
        if (found < 0 || found >= size) {
            sound = 0;
            break;
        }
        key[row] = (int32_t)found;
        events[found]++;
        const int lasts = durations && duration[row] >= 0;
        lasting += lasts;
        if (time < 0 || time >= stop) continue;
        timed[found]++;
        if (time < first[found]) first[found] = time;
        if (time > last[found]) last[found] = time;
        if (time < low) low = time;
        if (time > high) high = time;
        if (!lasts) continue;
        if (time < soonest) soonest = time;
        if (time > latest) latest = time;
    }
    extreme[0] = low, extreme[1] = high, extreme[2] = soonest, extreme[3] = latest, extreme[4] = lasting;
    Py_END_ALLOW_THREADS
    release(&held);
    return PyBool_FromLong(sound);
}

/* The bin of a duration of at least 1 us: `near` says of numbers that begin with the same bits in which bin the least of
   them is, `edges` are the greatest of each bin. */
static inline int64_t bin_of(uint64_t us, const int16_t *near, const int64_t *edges, int fine) {
    int octave = 0;
#if defined(__GNUC__)
    octave = 63 - __builtin_clzll(us);
#else
    for (uint64_t rest = us; rest >>= 1;) octave++;
#endif
    const uint64_t fraction = octave >= fine ? us >> (octave - fine) : us << (fine - octave);
    int64_t bin = near[((uint64_t)octave << fine) + (fraction & ((1ULL << fine) - 1))];
    bin += edges[bin] < (int64_t)us; /* without a jump, which nobody could predict */
    while (edges[bin] < (int64_t)us) bin++;
    return bin;
}

/* occupied(rows, keys, levels, width, stop, low, high, fine, key, us, durations, near, edges, out, scratch) -> how many
   cells there are, -1 where they are too many for a number. `out` is their columns (5, rows), sorted: service and level
   of the key, bucket of a width, bin of the duration and how many rows. Without durations: cells of rows with a time;
   else those of rows with a duration, -1 being the bucket of those without a time. */
static PyObject *occupied(PyObject *self, PyObject *args) {
    long long number[8];
    buffers_t held;
    if (!integers(args, number, 8) || !take_buffers(&held, args, 8, 7, 5)) return NULL;
    const int64_t rows = number[0], keys = number[1], levels = number[2], width = number[3], stop = number[4];
    const int64_t lasting = held.view[2].len / 8, bins = lasting ? held.view[4].len / 8 : 1, fine = number[7];
    if (rows < 0 || keys < 0 || levels < 1 || width < 1 || fine < 0 || fine > 12 || !ROOM(0, rows * 4) ||
        !ROOM(1, rows * 8) || (lasting && (lasting < rows || bins < 1 || !ROOM(3, 2 * (64LL << fine)))) ||
        !ROOM(5, rows * 40) || !ROOM(6, rows * 16))
        return too_small(&held);
    const int64_t low = number[5] / width, buckets = number[6] < number[5] ? 1 : number[6] / width - low + 2;
    if (number[5] < 0 || buckets > (1LL << 40) || keys > (1LL << 62) / buckets / bins) {
        release(&held);
        return PyLong_FromLong(-1);
    }
    const int32_t *key = AS(const int32_t *, 0);
    const int64_t *us = AS(const int64_t *, 1), *edges = AS(const int64_t *, 4);
    const double *duration = AS(const double *, 2), most = lasting ? (double)edges[bins - 1] : 0;
    const int16_t *near = AS(const int16_t *, 3);
    int64_t *out = AS(int64_t *, 5), found = 0, count = 0;
    uint64_t *codes = AS(uint64_t *, 6);
    int sound = 1;
    Py_BEGIN_ALLOW_THREADS
    int64_t from = 0, to = 0, slot = 0; /* the bucket of the row before, which mostly is this one's */
    for (int64_t row = 0; row < rows; row++) {
        const int64_t time = us[row];
        if (key[row] < 0 || key[row] >= keys) sound = 0;
        if (lasting && !(duration[row] >= 0)) continue;
        int64_t mine = 0, bin = 0;
        if (time >= 0 && time < stop) {
            if (time < from || time >= to) {
                const int64_t bucket = time / width;
                from = bucket * width, to = from + width, slot = bucket - low + 1;
                if (slot < 1 || slot >= buckets) sound = 0;
            }
            mine = slot;
        } else if (!lasting) {
            continue;
        }
        if (lasting) {
            double micros = duration[row] * 1000;
            micros = micros < 1 ? 1 : micros > most ? most : micros;
            int64_t whole = (int64_t)micros;
            const double rest = micros - (double)whole;
            whole += rest > 0.5 || (rest == 0.5 && (whole & 1));
            bin = bin_of((uint64_t)whole, near, edges, (int)fine);
        }
        codes[count++] = (uint64_t)((key[row] * buckets + mine) * bins + bin);
    }
    const int64_t places = keys * buckets * bins;
    const uint64_t *many = NULL;
    if (sound && places <= 2 * rows) { /* few: counted in place, what is found put where the codes were */
        memset(out, 0, (size_t)places * 8);
        for (int64_t i = 0; i < count; i++) out[codes[i]]++;
        count = 0;
        for (int64_t place = 0; place < places; place++)
            if (out[place]) codes[count] = (uint64_t)place, codes[rows + count++] = (uint64_t)out[place];
        many = codes + rows;
    }
    if (sound) {
        int bits = 0;
        while (bits < 63 && (uint64_t)places >> bits) bits++;
        if (!many) codes = sort_codes(codes, codes + rows, count, bits);
        uint64_t before = 0, begin = 0, end = 0;
        int64_t service = 0, level = 0, bucket = -1, same = 0;
        for (int64_t i = 0; i < count; i++) {
            const uint64_t code = codes[i];
            const int64_t again = i && code == before, at_row = found - again;
            before = code;
            if (code >= end) {
                const uint64_t group = code / (uint64_t)bins, one = group / (uint64_t)buckets;
                begin = group * (uint64_t)bins, end = begin + (uint64_t)bins;
                service = (int64_t)one / levels, level = (int64_t)one % levels;
                const int64_t at = (int64_t)(group % (uint64_t)buckets);
                bucket = at ? (low + at - 1) * width : -1;
            }
            out[at_row] = service, out[rows + at_row] = level, out[2 * rows + at_row] = bucket;
            out[3 * rows + at_row] = (int64_t)(code - begin), same = many ? (int64_t)many[i] : again ? same + 1 : 1;
            out[4 * rows + at_row] = same, found = at_row + 1;
        }
    }
    Py_END_ALLOW_THREADS
    release(&held);
    if (!sound) {
        PyErr_SetString(PyExc_ValueError, "expected keys and times in range, found others");
        return NULL;
    }
    return PyLong_FromLongLong(found);
}

/* ---- the module ---- */

static PyMethodDef methods[] = {
    {"positions", positions, METH_VARARGS, NULL}, {"shaped", shaped, METH_VARARGS, NULL},
    {"settle", settle, METH_VARARGS, NULL},
    {"look", look, METH_VARARGS, NULL},         {"short_numbers", short_numbers, METH_VARARGS, NULL},
    {"bounds", bounds, METH_VARARGS, NULL},     {"filled", filled, METH_VARARGS, NULL},
    {"fields", fields, METH_VARARGS, NULL},     {"runs", runs, METH_VARARGS, NULL},
    {"levels", levels, METH_VARARGS, NULL},     {"distinct", distinct, METH_VARARGS, NULL},
    {"decimals", decimals, METH_VARARGS, NULL}, {"objects", objects, METH_VARARGS, NULL},
    {"gather", gather, METH_VARARGS, NULL},     {"views", views, METH_VARARGS, NULL},
    {"extents", extents, METH_VARARGS, NULL},   {"pile", pile, METH_VARARGS, NULL},
    {"unpile", unpile, METH_VARARGS, NULL},     {"survey", survey, METH_VARARGS, NULL},
    {"occupied", occupied, METH_VARARGS, NULL},
    {"moved", moved, METH_VARARGS, NULL},       {"copied", copied, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernels", "The inner loops of reading; see kernels.py.", 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernels(void) { return PyModuleDef_Init(&module); }
