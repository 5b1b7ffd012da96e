//! Whether a request is signed as AWS wants it (Signature Version 4): a program that saved itself the signing would be measured at
//! less than the work.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::dynamodb::Call;

/// Whether `secret` signed this request, with its target and its body.
///
/// # Errors
/// If it did not; the message says what is wrong.
pub(crate) fn verify(call: &Call, secret: &str) -> Result<(), String> {
    let header = |name| call.header(name).ok_or_else(|| format!("it has no header {name}"));
    let authorization = header("authorization")?;
    let field = |name: &str| {
        let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").into_iter().flat_map(|fields| fields.split(','));
        let mut values = fields.filter_map(|field| field.trim().split_once('='));
        values.find_map(|(this, value)| (this == name).then_some(value)).ok_or_else(|| format!("it names no {name}"))
    };
    let (signed, signature) = (field("SignedHeaders")?, field("Signature")?);
    let (_, scope) = field("Credential")?.split_once('/').ok_or("its credential has no scope")?;
    for name in ["host", "x-amz-date", "x-amz-security-token", "x-amz-target"] {
        if !signed.split(';').any(|this| this == name) {
            return Err(format!("its header {name} is not signed"));
        }
    }
    match signature_of(call, signed, scope, secret)? == signature {
        true => Ok(()),
        false => Err("its signature is wrong".into()),
    }
}

fn signature_of(call: &Call, signed: &str, scope: &str, secret: &str) -> Result<String, String> {
    let header = |name| call.header(name).ok_or_else(|| format!("it has no header {name}"));
    let (method, path) = call.line.split_once(' ').ok_or("it names no path")?;
    let mut canonical = format!("{method}\n{path}\n\n");
    for name in signed.split(';') {
        canonical += &format!("{name}:{}\n", header(name)?);
    }
    canonical += &format!("\n{signed}\n{}", HEXLOWER.encode(&Sha256::digest(&call.body)));
    let hash = HEXLOWER.encode(&Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", header("x-amz-date")?);
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        key = keyed(&key, part)?;
    }
    Ok(HEXLOWER.encode(&keyed(&key, &text)?))
}

fn keyed(key: &[u8], text: &str) -> Result<Vec<u8>, String> {
    let mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
    Ok(mac.chain_update(text).finalize().into_bytes().to_vec())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const SCOPE: &str = "20261122/eu-central-1/dynamodb/aws4_request";
    const SIGNED: &str = "host;x-amz-date;x-amz-security-token;x-amz-target";

    pub(crate) fn signed(operation: &str, body: &str) -> Call {
        sign(SIGNED, operation, body)
    }

    fn sign(signed: &str, operation: &str, body: &str) -> Call {
        let target = format!("DynamoDB_20120810.{operation}");
        let headers = [
            ("host", "localhost:8000"),
            ("x-amz-date", "20261122T120000Z"),
            ("x-amz-security-token", "token"),
            ("x-amz-target", &target),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let mut call = Call { line: "POST /".into(), headers, body: body.into() };
        let signature = signature_of(&call, signed, SCOPE, SECRET).unwrap();
        let fields = format!("Credential=AKIA/{SCOPE}, SignedHeaders={signed}, Signature={signature}");
        call.headers.push(("authorization".into(), format!("AWS4-HMAC-SHA256 {fields}")));
        call
    }

    #[test]
    fn what_was_changed_after_it_was_signed_is_refused() {
        let call = signed("PutItem", "{}");
        assert_eq!(verify(&call, SECRET), Ok(()));
        assert!(verify(&call, "another").is_err());
        let mut body = call.clone();
        body.body = b"{ }".to_vec();
        let mut line = call.clone();
        line.line = "POST /other".into();
        let mut target = call.clone();
        target.headers[3].1 = "DynamoDB_20120810.DeleteItem".into();
        for changed in [body, line, target] {
            assert_eq!(verify(&changed, SECRET), Err("its signature is wrong".into()), "{changed:?}");
        }
    }

    #[test]
    fn what_has_to_be_signed_is_named() {
        let call = sign("host;x-amz-date;x-amz-target", "PutItem", "{}");
        assert_eq!(verify(&call, SECRET), Err("its header x-amz-security-token is not signed".into()));
    }
}
