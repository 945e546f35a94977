//! The ways to misbehave.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Closes the connection without an answer; no key is made.
    Down,
    /// Answers, but late.
    Slow,
    /// HTTP 500; no key is made.
    Http500,
    /// `{"success": false, "error": …}`; no key is made.
    SuccessFalse,
    /// A page of HTML with status 200.
    Html,
    /// Success, with a key that is none.
    Garbage,
    /// Megabytes of JSON.
    Huge,
    /// Makes the key, then closes the connection.
    LostAnswer,
}

impl Fault {
    const ALL: [(&str, Self); 8] = [
        ("down", Self::Down),
        ("slow", Self::Slow),
        ("500", Self::Http500),
        ("success-false", Self::SuccessFalse),
        ("html", Self::Html),
        ("garbage", Self::Garbage),
        ("huge", Self::Huge),
        ("lost-answer", Self::LostAnswer),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a fault: down, slow, 500, success-false, html, garbage, huge or lost-answer, each may end in x3")]
pub struct BadFault(String);

/// Faults in order, each for so many requests, or for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(VecDeque<Planned>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Planned {
    fault: Fault,
    /// `None`: until told otherwise.
    times: Option<u32>,
}

impl Faults {
    /// How to misbehave for this request, if at all.
    pub(super) fn next(&mut self) -> Option<Fault> {
        let planned = self.0.front_mut()?;
        let fault = planned.fault;
        if let Some(times) = &mut planned.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.0.pop_front();
            }
        }
        Some(fault)
    }
}

/// `500x3,slow`: three times HTTP 500, then slow for ever. Nothing is no fault.
impl FromStr for Faults {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(planned).collect::<Result<_, _>>().map(Self)
    }
}

fn planned(text: &str) -> Result<Planned, BadFault> {
    let bad = || BadFault(text.chars().take(40).collect());
    let (name, times) = match text.rsplit_once('x') {
        Some((name, times)) => (name, Some(times.parse::<u32>().ok().filter(|times| *times > 0).ok_or_else(bad)?)),
        None => (text, None),
    };
    let fault = Fault::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, fault)| fault).ok_or_else(bad)?;
    Ok(Planned { fault, times })
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Planned { fault, times }) in self.0.iter().enumerate() {
            let name = Fault::ALL.into_iter().find(|(_, known)| known == fault).map_or("", |(name, _)| name);
            write!(f, "{}{name}", if n > 0 { "," } else { "" })?;
            if let Some(times) = times {
                write!(f, "x{times}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_in_order_and_as_often_as_told() {
        let mut faults: Faults = "500x2, lost-answerx1,down".parse().unwrap();
        assert_eq!(faults.to_string(), "500x2,lost-answerx1,down");
        let happened: Vec<_> = (0..5).map(|_| faults.next()).collect();
        let expected = [Fault::Http500, Fault::Http500, Fault::LostAnswer, Fault::Down, Fault::Down].map(Some);
        assert_eq!(happened, expected);
        assert_eq!("".parse::<Faults>().unwrap().next(), None);
    }

    #[test]
    fn every_fault_has_a_name_and_nonsense_has_none() {
        for (name, fault) in Fault::ALL {
            assert_eq!(name.parse::<Faults>().unwrap().next(), Some(fault));
        }
        for bad in ["nope", "500x", "500x0", "500x-1", "x3", "500xx3"] {
            assert!(bad.parse::<Faults>().is_err(), "{bad}");
        }
    }
}
