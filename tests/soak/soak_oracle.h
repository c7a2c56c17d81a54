/* soak_oracle.h - who knows all that was signed, apart from the signer's own record: complete conditions, no
 * marks. */
#ifndef SOAK_ORACLE_H
#define SOAK_ORACLE_H

#include <stdio.h>

#include "soak_orders.h"

struct soak_signed {
    uint32_t low, high;
    uint8_t kind, variant;
    uint64_t signature; /* a hash of it */
};

struct soak_history {
    struct soak_signed *list;
    size_t length, capacity;
};

struct soak_oracle {
    struct soak_history *histories; /* of each key */
    uint32_t num_keys;
};

struct soak_verdict {
    uint64_t num_signed;
    uint64_t doubles;   /* pairs of different messages for one slot or target */
    uint64_t surrounds; /* votes that another one surrounds */
    uint64_t unsteady;  /* the same message, signed differently */
    uint64_t crossed;   /* the same signature for different messages */
};

must_check result soak_oracle_open(struct soak_oracle *ret_oracle, uint32_t num_keys);
void soak_oracle_cleanup(struct soak_oracle *o);

/* A signature has come; text is it in hexadecimal digits. */
must_check result soak_oracle_add(struct soak_oracle *o, const struct soak_message *m, const char *text,
                                  size_t text_len);

/* Sorts what is known. */
must_check result soak_oracle_judge(struct soak_verdict *ret_verdict, struct soak_oracle *o);

/* A line a key: the highest slot, source and target that were signed for it; 0 for none. */
void soak_oracle_print_marks(const struct soak_oracle *o, const struct soak_orders *orders, FILE *file);

#endif
