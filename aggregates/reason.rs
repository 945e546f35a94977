//! Why somebody did something, in their own words: for people to read, bounded because events keep it for ever.

use thiserror::Error;

pub const REASON_BYTES_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a reason has 1 to {REASON_BYTES_MAX} bytes and no control characters")]
pub struct BadReason;

pub(crate) fn check(reason: &str) -> Result<(), BadReason> {
    let blank = reason.trim().is_empty();
    if blank || reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        return Err(BadReason);
    }
    Ok(())
}

/// Makes what an outside service said into a reason: no control characters, cut where it is too long, never empty.
pub fn from_outside(text: &str) -> String {
    let mut reason = String::new();
    for c in text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if reason.len() + c.len_utf8() > REASON_BYTES_MAX {
            break;
        }
        reason.push(c);
    }
    if reason.trim().is_empty() { "no reason given".to_owned() } else { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_short_and_printable() {
        for bad in ["", "   ", "a\nb", "a\0b", &*"x".repeat(REASON_BYTES_MAX + 1)] {
            assert_eq!(check(bad), Err(BadReason), "{bad:?}");
        }
        for good in ["x", "误发", &*"x".repeat(REASON_BYTES_MAX)] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn whatever_comes_from_outside_becomes_a_reason() {
        for (text, reason) in [
            ("  HTTP 502\r\n<html>\n", "HTTP 502  <html>"),
            ("", "no reason given"),
            ("\0\u{85} ", "no reason given"),
            (&*"错".repeat(200), &*"错".repeat(166)),
        ] {
            assert_eq!(from_outside(text), reason);
            assert_eq!(check(&from_outside(text)), Ok(()), "{text:?}");
        }
    }
}
