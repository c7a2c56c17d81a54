/* mnemonic_words.h - the English word list of BIP-39, in its order, which is alphabetical. */
#ifndef KEYSTORE_MNEMONIC_WORDS_H
#define KEYSTORE_MNEMONIC_WORDS_H

enum { MNEMONIC_NUM_WORDS = 2048, MNEMONIC_WORD_MAX = 8 };

extern const char mnemonic_words[MNEMONIC_NUM_WORDS][MNEMONIC_WORD_MAX + 1];

#endif
