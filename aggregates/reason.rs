//! Why somebody did something, in their own words: for people to read, bounded because events keep it for ever.

use thiserror::Error;

pub const REASON_BYTES_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a reason has 1 to {REASON_BYTES_MAX} bytes and no control characters")]
pub struct BadReason;

/// What a sealed reason may have.
pub const SEALED_BYTES_MAX: usize = 2_048;

/// # Errors
/// When it is not one.
pub fn check(reason: &str) -> Result<(), BadReason> {
    let blank = reason.trim().is_empty();
    if blank || reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        return Err(BadReason);
    }
    Ok(())
}

/// A reason in somebody's own words, as far as the log may know it: encrypted under the key of their account.
pub(crate) fn check_sealed(sealed: &str) -> Result<(), BadReason> {
    let fits = (1..=SEALED_BYTES_MAX).contains(&sealed.len()) && sealed.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err(BadReason) }
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
    fn a_sealed_reason_is_not_one_in_clear() {
        for bad in ["", "in clear", "太贵", &*"x".repeat(SEALED_BYTES_MAX + 1)] {
            assert_eq!(check_sealed(bad), Err(BadReason), "{bad:?}");
        }
        assert_eq!(check_sealed(&"x".repeat(SEALED_BYTES_MAX)), Ok(()));
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
