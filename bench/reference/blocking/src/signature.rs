//! Signature Version 4 of AWS, for one kind of request: a POST of JSON to `/`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const SIGNED: &str = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
const TYPE: &str = "application/x-amz-json-1.0";

/// What requests are signed with, and for which host.
pub(crate) struct Signer {
    host: String,
    region: String,
    id: String,
    secret: String,
    token: String,
}

impl Signer {
    /// With the region and the credentials that Lambda sets.
    pub(crate) fn from_environment(host: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            host: host.to_owned(),
            region: std::env::var("AWS_REGION")?,
            id: std::env::var("AWS_ACCESS_KEY_ID")?,
            secret: std::env::var("AWS_SECRET_ACCESS_KEY")?,
            token: std::env::var("AWS_SESSION_TOKEN")?,
        })
    }

    /// A whole request, as it is sent.
    pub(crate) fn request(&self, target: &str, body: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let Self { host, region, id, secret, token } = self;
        let (date, time) = date_and_time(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
        let time = format!("{date}T{time}Z");
        let canonical = format!(
            "POST\n/\n\ncontent-type:{TYPE}\nhost:{host}\nx-amz-date:{time}\nx-amz-security-token:{token}\n\
             x-amz-target:{target}\n\n{SIGNED}\n{}",
            hex(&Sha256::digest(body))?
        );
        let scope = format!("{date}/{region}/dynamodb/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical))?);
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in scope.split('/') {
            key = keyed(&key, part)?;
        }
        let signature = hex(&keyed(&key, &text)?)?;
        let length = body.len();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: {TYPE}\r\ncontent-length: {length}\r\nx-amz-target: {target}\r\n\
             x-amz-date: {time}\r\nx-amz-security-token: {token}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={id}/{scope}, SignedHeaders={SIGNED}, Signature={signature}\r\n\r\n{body}"
        );
        Ok(request.into_bytes())
    }
}

fn keyed(key: &[u8], text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> Result<String, std::fmt::Error> {
    let mut text = String::with_capacity(2 * bytes.len());
    bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
    Ok(text)
}

/// As `20261122` and `160000`, of seconds since 1970. The day by the rule of 400 years that begin in March.
fn date_and_time(seconds: u64) -> (String, String) {
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    (format!("{year:04}{month:02}{day:02}"), format!("{hour:02}{minute:02}{second:02}"))
}
