/* What is said when the image is missing or is not what it is told to be. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { measureEif } from "../lib/eif.ts";
import { readImage } from "../lib/image.ts";
import { makeArchive, makeEif, makePlace, makeTar, type Place } from "./stand-ins.ts";
import { tool } from "./tools.ts";

const EIF = "usr/share/nitro-signer/nitro-signer.eif";

describe("the image", () => {
  const places: Place[] = [];
  let place: Place;
  const image = () => readImage(join(place.folder, "image"), "x86_64");
  beforeEach(() => places.push((place = makePlace("x86_64"))));
  after(() => places.forEach((each) => each.remove()));

  it("is read, measured, and known by its digest", () => {
    assert.equal(image().pcr0, place.pcr0);
    assert.match(image().digest, /^sha256:[0-9a-f]{64}$/);
  });
  it("is missing", () => {
    rmSync(join(place.folder, "image/nitro-signer-host.oci.tar"));
    assert.throws(image, /nitro-signer-host\.oci\.tar: there is no such file: run "make image ARCH=x86_64"/);
  });
  it("has no pcrs.json", () => {
    rmSync(join(place.folder, "image/pcrs.json"));
    assert.throws(image, /pcrs\.json: there is no such file: run "make image ARCH=x86_64"/);
  });
  it("measures something else than pcrs.json says", () => {
    place.write("image/nitro-signer-host.oci.tar", makeArchive({ [EIF]: makeEif("x86_64", "another kernel") }));
    assert.throws(image, /pcrs\.json: PCR0 is [0-9a-f]{96}, but the enclave image in .* measures [0-9a-f]{96}: run "make image/);
  });
  it("is for another architecture", () => {
    place.write("image/nitro-signer-host.oci.tar", makeArchive({ [EIF]: makeEif("arm64") }));
    assert.throws(image, /is for arm64, not x86_64/);
  });
  it("has no enclave image, or a damaged one", () => {
    place.write("image/nitro-signer-host.oci.tar", makeArchive({ "usr/bin/something": Buffer.from("") }));
    assert.throws(image, /has no usr\/share\/nitro-signer\/nitro-signer\.eif/);
    place.write("image/nitro-signer-host.oci.tar", makeArchive({ [EIF]: makeEif("x86_64").subarray(0, 560) }));
    assert.throws(image, /nitro-signer\.eif: ends within a section/);
  });
  it("was changed under its digest, cut short, or is no archive", () => {
    const archive = makeArchive({ [EIF]: makeEif("x86_64") });
    const flipped = Buffer.from(archive);
    flipped.writeUInt8(flipped.readUInt8(520) ^ 1, 520);
    place.write("image/nitro-signer-host.oci.tar", flipped);
    assert.throws(image, /has a layer with another digest/);
    place.write("image/nitro-signer-host.oci.tar", archive.subarray(0, 600));
    assert.throws(image, /nitro-signer-host\.oci\.tar: is cut short/);
    place.write("image/nitro-signer-host.oci.tar", Buffer.from("x".repeat(1024)));
    assert.throws(image, /is not a tar file/);
    place.write("image/nitro-signer-host.oci.tar", makeTar({ "index.json": Buffer.from("{}") }));
    assert.throws(image, /does not have one manifest/);
  });
  it("has measurements that are none", () => {
    place.write("image/pcrs.json", JSON.stringify({ Measurements: { PCR0: "0x00" } }));
    assert.throws(image, /Measurements\.PCR0: must be 96 hexadecimal digits/);
    place.write("image/pcrs.json", "{");
    assert.throws(image, /pcrs\.json: /);
  });
  for (const architecture of ["x86_64", "arm64"] as const) {
    const ctl = tool("nitro-signer-ctl");
    it(`is measured as nitro-signer-ctl does (${architecture})`, { skip: ctl.skip }, () => {
      const bytes = makeEif(architecture);
      const described = execFileSync(ctl.path, ["image", "describe", place.write("one.eif", bytes)], { encoding: "utf8" });
      assert.ok(described.includes(measureEif(bytes).pcr0), described);
    });
  }
});
