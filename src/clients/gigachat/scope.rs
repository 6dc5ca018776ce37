//! Whom a token is for, which says how much they may.

use crate::error::{Error, Result};

/// A scope of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// A person.
    #[default]
    Pers,
    /// A company that pays before.
    B2b,
    /// A company that pays after.
    Corp,
}

impl Scope {
    /// The scope of this name; without a name that of a person.
    pub fn of(name: &str) -> Result<Scope> {
        match name {
            "" | "GIGACHAT_API_PERS" => Ok(Scope::Pers),
            "GIGACHAT_API_B2B" => Ok(Scope::B2b),
            "GIGACHAT_API_CORP" => Ok(Scope::Corp),
            _ => {
                Err(Error::invalid("scope", "is unknown; use GIGACHAT_API_PERS, GIGACHAT_API_B2B or GIGACHAT_API_CORP"))
            }
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Scope::Pers => "GIGACHAT_API_PERS",
            Scope::B2b => "GIGACHAT_API_B2B",
            Scope::Corp => "GIGACHAT_API_CORP",
        }
    }

    /// Requests at once, each to the end of its answer.
    pub fn concurrency(self) -> usize {
        match self {
            Scope::Pers => 1,
            Scope::B2b | Scope::Corp => 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_known_by_their_names_alone() {
        for scope in [Scope::Pers, Scope::B2b, Scope::Corp] {
            assert_eq!(Scope::of(scope.name()).unwrap(), scope);
        }
        assert_eq!(Scope::of("").unwrap(), Scope::Pers);
        for bad in ["GIGACHAT_API", "gigachat_api_pers", "GIGACHAT_API_PERS GIGACHAT_API_CORP"] {
            assert!(Scope::of(bad).unwrap_err().message.starts_with("scope: "), "{bad}");
        }
    }
}
