//! Randomness from the system.

use crate::Fault;

/// Random bytes fit for secrets.
///
/// # Errors
///
/// If the system has none to give.
pub fn bytes<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A random number, every value equally likely.
///
/// # Errors
///
/// If the system has none to give.
pub fn number() -> Result<u32, Fault> {
    Ok(u32::from_le_bytes(bytes()?))
}
