//! As much of HTTP/1.1 as a client needs whose servers say how long their answers are.

use std::error::Error;
use std::io::Read;

/// An answer.
pub(crate) struct Message {
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn read(stream: &mut impl Read) -> Result<Self, Box<dyn Error>> {
        let mut bytes = Vec::with_capacity(4096);
        let mut block = [0; 4096];
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            receive(stream, &mut block, &mut bytes)?;
        };
        let mut message = Self { body: bytes.split_off(end), head: String::from_utf8(bytes)? };
        let length: usize = message.header("content-length").map_or(Ok(0), str::parse)?;
        while message.body.len() < length {
            receive(stream, &mut block, &mut message.body)?;
        }
        Ok(message)
    }

    pub(crate) fn status(&self) -> Option<&str> {
        self.head.split(' ').nth(1)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (this, value) = line.split_once(':')?;
            this.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

fn receive(stream: &mut impl Read, block: &mut [u8], bytes: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    match stream.read(block)? {
        0 => Err("the connection was closed in the middle of an answer".into()),
        count => {
            bytes.extend(block.iter().take(count));
            Ok(())
        }
    }
}
