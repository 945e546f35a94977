//! What a license allows, beside its number of uses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    EmailVerify,
    EmailImport,
    TaskManagement,
    ApiAccess,
    PrioritySupport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a feature is one of email_verify, email_import, task_management, api_access, priority_support")]
pub struct BadFeature;

impl Feature {
    pub const ALL: &[Self] =
        &[Self::EmailVerify, Self::EmailImport, Self::TaskManagement, Self::ApiAccess, Self::PrioritySupport];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmailVerify => "email_verify",
            Self::EmailImport => "email_import",
            Self::TaskManagement => "task_management",
            Self::ApiAccess => "api_access",
            Self::PrioritySupport => "priority_support",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Feature {
    type Err = BadFeature;

    fn from_str(text: &str) -> Result<Self, BadFeature> {
        Self::ALL.iter().copied().find(|feature| feature.as_str() == text).ok_or(BadFeature)
    }
}

/// Some of them. In JSON a list in the order of [`Feature::ALL`], each once.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<Feature>", into = "Vec<Feature>")]
pub struct Features(u8);

impl Features {
    pub fn has(self, feature: Feature) -> bool {
        self.0 & bit(feature) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.iter().copied().filter(move |feature| self.has(*feature))
    }
}

const fn bit(feature: Feature) -> u8 {
    1 << feature as u8
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        Self(features.into_iter().fold(0, |bits, feature| bits | bit(feature)))
    }
}

impl From<Vec<Feature>> for Features {
    fn from(features: Vec<Feature>) -> Self {
        features.into_iter().collect()
    }
}

impl From<Features> for Vec<Feature> {
    fn from(features: Features) -> Self {
        features.iter().collect()
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_a_list_in_json_each_once_and_in_order() {
        let features: Features = serde_json::from_str(r#"["api_access","email_verify","api_access"]"#).unwrap();
        assert_eq!(serde_json::to_string(&features).unwrap(), r#"["email_verify","api_access"]"#);
        assert!(features.has(Feature::ApiAccess) && !features.has(Feature::EmailImport) && !features.is_empty());
        assert_eq!(format!("{features:?}"), "{EmailVerify, ApiAccess}");
        assert!(serde_json::from_str::<Features>(r#"["email"]"#).is_err());
    }

    #[test]
    fn a_feature_is_read_back_from_its_name() {
        for feature in Feature::ALL.iter().copied() {
            assert_eq!(feature.to_string().parse(), Ok(feature));
            assert_eq!(serde_json::to_string(&feature).unwrap(), format!("{:?}", feature.as_str()));
        }
        assert_eq!("email".parse::<Feature>(), Err(BadFeature));
    }
}
