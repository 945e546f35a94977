//! Forms as some providers sign them: names and values decoded once, in the order of their names, `k=v` between `&`.
//!
//! Joined like that, `a=1&b=2` may be two fields or one whose value goes on with `&b=2`: both have the same signature.
//! So a form is refused in which a value seems to hold a field that is read: [`hides`].

use std::collections::BTreeMap;

use url::form_urlencoded;

/// By name.
pub type Form = BTreeMap<String, String>;

/// No provider sends half as many.
const FIELDS_MAX: usize = 128;

/// What a body or a query holds. `None`: a name is there twice, so that nobody could say which of them was signed, or
/// there are too many.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Form> {
    let mut form = Form::new();
    for (at, (name, value)) in form_urlencoded::parse(text).enumerate() {
        if at >= FIELDS_MAX || form.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(form)
}

/// As it is signed: of pairs that come in the order of their names.
pub fn joined<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

/// As it travels.
pub fn encoded<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Pairs of a form, in the order of their names.
pub fn pairs(form: &Form) -> impl Iterator<Item = (&str, &str)> {
    form.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Whether a name or a value holds what could have been a field of one of these names.
#[must_use]
pub fn hides(form: &Form, names: &[&str]) -> bool {
    let holds =
        |text: &str| text.split('&').skip(1).any(|part| names.contains(&part.split('=').next().unwrap_or(part)));
    form.iter().any(|(name, value)| name.contains('=') || name.contains('&') || holds(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_once_and_sorted() {
        let form = parse("b=%E6%9C%88+A%26B%3D1%25&a=%2526&c=".as_bytes()).unwrap();
        assert_eq!(joined(pairs(&form)), "a=%26&b=月 A&B=1%&c=");
        assert_eq!(parse(encoded(pairs(&form)).as_bytes()).unwrap(), form);
    }

    #[test]
    fn a_name_that_is_there_twice_is_no_form() {
        assert_eq!(parse(b"a=1&b=2&a=1"), None);
        assert_eq!(parse("a".repeat(FIELDS_MAX).split("").collect::<Vec<_>>().join("&x").as_bytes()), None);
    }

    #[test]
    fn a_field_does_not_hide_in_another_one() {
        let hidden = |text: &str| hides(&parse(text.as_bytes()).unwrap(), &["money", "pid"]);
        assert!(hidden("name=x%26money%3D1"));
        assert!(hidden("name=x%26pid"));
        assert!(hidden("na%3Dme=1"));
        assert!(!hidden("name=A%26B%3D1&money=1"));
        assert!(!hidden("name=money%3D1"));
    }
}
