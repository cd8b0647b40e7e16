/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in unaligned little-endian and big-endian bytes. */
#ifndef FERRY_UTIL_BYTES_H
#define FERRY_UTIL_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BYTES_LOAD_STORE(_name, _type, _from, _to)        \
    static inline _type load_##_name(const void *from)    \
    {                                                     \
        _type value;                                      \
        memcpy(&value, from, sizeof(value));              \
        return _from(value);                              \
    }                                                     \
    static inline void store_##_name(void *to, _type value) \
    {                                                     \
        value = _to(value);                               \
        memcpy(to, &value, sizeof(value));                \
    }
BYTES_LOAD_STORE(le16, uint16_t, le16toh, htole16)
BYTES_LOAD_STORE(le32, uint32_t, le32toh, htole32)
BYTES_LOAD_STORE(le64, uint64_t, le64toh, htole64)
BYTES_LOAD_STORE(be16, uint16_t, be16toh, htobe16)
BYTES_LOAD_STORE(be32, uint32_t, be32toh, htobe32)
BYTES_LOAD_STORE(be64, uint64_t, be64toh, htobe64)
#undef BYTES_LOAD_STORE

#endif
