// Random values of any SSZ type, from a seed, so that a disagreement can be repeated.
import { createHash } from "node:crypto";

/** A stream of pseudo-random bytes: SHA-256 of seed and counter. */
export class Random {
  #seed;
  #counter = 0;
  #pool = Buffer.alloc(0);

  constructor(seed) {
    this.#seed = String(seed);
  }

  bytes(length) {
    while (this.#pool.length < length) {
      const block = createHash("sha256").update(`${this.#seed}/${this.#counter++}`).digest();
      this.#pool = Buffer.concat([this.#pool, block]);
    }
    const taken = this.#pool.subarray(0, length);
    this.#pool = this.#pool.subarray(length);
    return new Uint8Array(taken);
  }

  /** An integer from 0 to limit - 1. */
  below(limit) {
    return this.bytes(6).reduce((sum, byte) => sum * 256 + byte, 0) % limit;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  uint64() {
    const edge = this.pick([null, null, null, 0n, 1n, 2n ** 63n, 2n ** 64n - 1n]);
    return edge ?? this.bytes(8).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  }

  /** A length up to limit: mostly small, now and then none at all or as many as there may be. */
  length(limit, most) {
    const ceiling = Math.min(limit, most);
    return this.pick([0, 1, this.below(ceiling + 1), this.below(ceiling + 1), ceiling]);
  }
}

const makers = {
  UintNumberType: (type, random) => random.below(2 ** (8 * Math.min(type.byteLength, 6))),
  UintBigintType: (type, random) => random.uint64() & (2n ** BigInt(8 * type.byteLength) - 1n),
  BooleanType: (_type, random) => random.below(2) === 1,
  ByteVectorType: (type, random) => random.bytes(type.lengthBytes),
  ByteListType: (type, random) => random.bytes(random.length(type.limitBytes, 64)),
  BitVectorType: (type, random) => bits(type, random, type.lengthBits),
  BitListType: (type, random) => bits(type, random, random.length(type.limitBits, 700)),
  ContainerType: container,
  ContainerNodeStructType: container,
  ProgressiveContainerType: container,
  ProgressiveByteListType: (type, random) => random.bytes(random.length(type.limitBytes, random.pick([64, 64, 5000]))),
  ProgressiveBitListType: (type, random) => bits(type, random, random.length(131072, 700)),
  ProgressiveListBasicType: (type, random) => elements(type, random, random.length(type.limit, 20)),
  ProgressiveListCompositeType: (type, random) => elements(type, random, random.length(type.limit, 7)),
  ListBasicType: (type, random) => elements(type, random, random.length(type.limit, 20)),
  ListUintNum64Type: (type, random) => elements(type, random, random.length(type.limit, 20)),
  ListCompositeType: (type, random) => elements(type, random, random.length(type.limit, 3)),
  VectorBasicType: (type, random) => elements(type, random, type.length),
  VectorCompositeType: (type, random) => elements(type, random, type.length),
};

function bits(type, random, length) {
  const BitArray = type.defaultValue().constructor;
  return BitArray.fromBoolArray(Array.from({ length }, () => random.below(2) === 1));
}

function container(type, random) {
  return Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, randomValue(field, random)]));
}

function elements(type, random, length) {
  return Array.from({ length }, () => randomValue(type.elementType, random));
}

export function randomValue(type, random) {
  for (let at = type.constructor; at?.name; at = Object.getPrototypeOf(at)) {
    if (makers[at.name]) return makers[at.name](type, random);
  }
  throw new Error(`no random value for ${type.typeName} (${type.constructor.name})`);
}
