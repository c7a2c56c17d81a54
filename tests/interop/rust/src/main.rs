//! Asks the crates that nitro-cli is made of about enclave images, COSE and CBOR; each answer is one JSON object on standard output.
//!
//!   eif-judge describe IMAGE
//!   eif-judge build OUTPUT KERNEL COMMAND-LINE FLAGS CERTIFICATE KEY RAMDISK...     (CERTIFICATE and KEY "-": not signed)
//!   eif-judge cose COSE-SIGN1 CERTIFICATE
//!   eif-judge cose-many BATCH CERTIFICATE     (a BATCH: pieces, each behind its length, four bytes, the lowest first)
//!   eif-judge cose-sign OUTPUT KEY PAYLOAD TAGGED
//!   eif-judge maps BATCH
use std::error::Error;
use std::fs::{read, File};
use std::path::Path;

use aws_nitro_enclaves_cose::{crypto::Openssl, header_map::HeaderMap, CoseSign1};
use aws_nitro_enclaves_image_format::defs::{EifBuildInfo, EifIdentityInfo};
use aws_nitro_enclaves_image_format::utils::eif_reader::EifReader;
use aws_nitro_enclaves_image_format::utils::{EifBuilder, SignKeyData};
use openssl::pkey::PKey;
use openssl::x509::X509;
use serde_json::{json, Value};
use sha2::{Digest, Sha384};

type Answer = Result<Value, Box<dyn Error>>;

fn describe(image: &str) -> Answer {
    let mut reader = EifReader::from_eif(image.to_string())?;
    let measurements = reader.get_measurements()?;
    let certificate = match reader.signature_section {
        Some(_) => Some(reader.get_certificate_info(measurements.clone())?),
        None => None,
    };
    let header = reader.get_header();
    Ok(json!({
        "Measurements": measurements,
        "CheckCRC": reader.check_crc(),
        "SignatureCheck": reader.sign_check,
        "SigningCertificate": certificate,
        "Metadata": reader.get_metadata(),
        "version": header.version,
        "flags": header.flags,
        "sections": header.num_sections,
        "default_mem": header.default_mem,
        "default_cpus": header.default_cpus,
    }))
}

fn build(arguments: &[String]) -> Answer {
    let [output, kernel, cmdline, flags, certificate, key, ramdisks @ ..] = arguments else {
        return Err("build: too few arguments".into());
    };
    let signer = match certificate.as_str() {
        "-" => None,
        path => Some(SignKeyData::new(key, Path::new(path))?),
    };
    let identity = EifIdentityInfo {
        img_name: "theirs".to_string(),
        img_version: "1.0".to_string(),
        build_info: EifBuildInfo {
            build_time: "2026-01-01T00:00:00+00:00".to_string(),
            build_tool: "eif-judge".to_string(),
            build_tool_version: env!("CARGO_PKG_VERSION").to_string(),
            img_os: "Linux".to_string(),
            img_kernel: "6.12".to_string(),
        },
        docker_info: json!({"Architecture": "amd64"}),
        custom_info: json!({"colour": "green"}),
    };
    let mut builder = EifBuilder::new(Path::new(kernel), cmdline.clone(), signer, Sha384::new(), flags.parse()?, identity);
    for ramdisk in ramdisks {
        builder.add_ramdisk(Path::new(ramdisk));
    }
    Ok(json!({"Measurements": builder.write_to(&mut File::create(output)?)}))
}

fn cose(cose: &str, certificate: &str) -> Answer {
    let key = X509::from_pem(&read(certificate)?)?.public_key()?;
    let sign1 = CoseSign1::from_bytes(&read(cose)?).map_err(|e| e.to_string())?;
    let payload = sign1.get_payload::<Openssl>(Some(key.as_ref())).map_err(|e| e.to_string())?;
    Ok(json!({"payload": payload}))
}

fn pieces(batch: &str) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let bytes = read(batch)?;
    let mut rest = &bytes[..];
    let mut pieces = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (piece, next) = behind.split_at(u32::from_le_bytes(*length) as usize);
        pieces.push(piece.to_vec());
        rest = next;
    }
    Ok(pieces)
}

/// For each: the SHA-384 of its payload, null when it is no COSE_Sign1; and whether the certificate's key signed it.
fn cose_many(batch: &str, certificate: &str) -> Answer {
    let key = X509::from_pem(&read(certificate)?)?.public_key()?;
    let look = |piece: &Vec<u8>| {
        let sign1 = CoseSign1::from_bytes(piece).ok()?;
        let digest = Sha384::digest(sign1.get_payload::<Openssl>(None).ok()?);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Some((digest, sign1.verify_signature::<Openssl>(key.as_ref()).unwrap_or(false)))
    };
    Ok(json!(pieces(batch)?.iter().map(look).map(|said| json!([said.as_ref().map(|s| &s.0), said.as_ref().is_some_and(|s| s.1)])).collect::<Vec<_>>()))
}

fn cose_sign(output: &str, key: &str, payload: &str, tagged: &str) -> Answer {
    let key = PKey::private_key_from_pem(&read(key)?)?;
    let sign1 = CoseSign1::new::<Openssl>(&read(payload)?, &HeaderMap::new(), &key).map_err(|e| e.to_string())?;
    std::fs::write(output, sign1.as_bytes(tagged == "1").map_err(|e| e.to_string())?)?;
    Ok(json!({}))
}

/// For each, whether it is a map in CBOR.
fn maps(batch: &str) -> Answer {
    Ok(json!(pieces(batch)?.iter().map(|piece| HeaderMap::from_bytes(piece).is_ok()).collect::<Vec<_>>()))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let answer = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["describe", image] => describe(image),
        ["build", ..] => build(&arguments[1..]),
        ["cose", bytes, certificate] => cose(bytes, certificate),
        ["cose-many", batch, certificate] => cose_many(batch, certificate),
        ["cose-sign", output, key, payload, tagged] => cose_sign(output, key, payload, tagged),
        ["maps", batch] => maps(batch),
        _ => Err("usage: eif-judge describe|build|cose|cose-many|cose-sign|maps ...".into()),
    };
    match answer {
        Ok(value) => println!("{value}"),
        Err(error) => {
            eprintln!("eif-judge: {error}");
            std::process::exit(1);
        }
    }
}
