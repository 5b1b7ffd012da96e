//! Certificates for a TLS server on this machine, alike in kind to those of AWS: a leaf and an intermediate of RSA 2048, as DynamoDB
//! has them, and the root cross-signed by an older one, as AWS sends along. To be trusted are six roots of the kinds of
//! Amazon's five (RSA 2048, RSA 4096, P-256, P-384 and the older RSA 2048) and one that issued the leaf. All are made anew and
//! thrown away; no key is kept but the leaf's.
//!
//! `certificates target/tls` writes `chain.pem`, `key.pem` and `roots.pem` there.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize,
};
use std::path::PathBuf;
use std::process::ExitCode;

/// What the server sends, what it signs with, and whom its clients trust; each in PEM.
struct Made {
    chain: String,
    key: String,
    roots: String,
}

#[allow(clippy::print_stderr)] // A program for the command line.
fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: certificates FOLDER");
        return ExitCode::FAILURE;
    };
    let written = make().map_err(|error| format!("no certificates: {error}")).and_then(|made| {
        let write = |name, text| std::fs::write(folder.join(name), text);
        std::fs::create_dir_all(&folder)
            .and_then(|()| write("chain.pem", made.chain))
            .and_then(|()| write("key.pem", made.key))
            .and_then(|()| write("roots.pem", made.roots))
            .map_err(|error| format!("cannot write to {}: {error}", folder.display()))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make() -> Result<Made, Error> {
    let rsa = |size| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size);
    let others = [
        ("Throw-away Root 1", rsa(RsaKeySize::_2048)?),
        ("Throw-away Root 2", rsa(RsaKeySize::_4096)?),
        ("Throw-away Root 3", KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?),
        ("Throw-away Root 4", KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?),
    ];
    let (older_key, root_key) = (rsa(RsaKeySize::_2048)?, rsa(RsaKeySize::_2048)?);
    let (issuing_key, leaf_key) = (rsa(RsaKeySize::_2048)?, rsa(RsaKeySize::_2048)?);
    let (older, root) = (authority("Throw-away Services Root G2"), authority("Throw-away Root of the Server"));
    let issuing = authority("Throw-away RSA 2048 M01");

    let mut roots = String::new();
    for (name, key) in &others {
        roots += &authority(name).self_signed(key)?.pem();
    }
    roots += &older.self_signed(&older_key)?.pem();
    roots += &root.self_signed(&root_key)?.pem();

    let mut leaf = CertificateParams::new(["localhost".to_owned()])?;
    leaf.distinguished_name = named("localhost");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;

    let mut chain = leaf.signed_by(&leaf_key, &Issuer::from_params(&issuing, &issuing_key))?.pem();
    chain += &issuing.signed_by(&issuing_key, &Issuer::from_params(&root, &root_key))?.pem();
    chain += &root.signed_by(&root_key, &Issuer::from_params(&older, &older_key))?.pem();
    Ok(Made { chain, key: leaf_key.serialize_pem(), roots })
}

fn authority(name: &str) -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name = named(name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages =
        vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.use_authority_key_identifier_extension = true;
    authority
}

fn named(name: &str) -> rcgen::DistinguishedName {
    let mut full = rcgen::DistinguishedName::new();
    full.push(DnType::CountryName, "US");
    full.push(DnType::OrganizationName, "Throw-away");
    full.push(DnType::CommonName, name);
    full
}
