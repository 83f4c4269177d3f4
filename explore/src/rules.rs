//! What must hold, and how it is said that it did not.

use std::fmt;

/// A promise of the standard or of the documentation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// What was reported or acknowledged has arrived.
    AtLeastOnce,
    /// What is of QoS 0 or 2 takes effect no more than once.
    ExactlyOnce,
    /// Messages arrive in the order in which they were handed over.
    Order,
    /// No more messages are in flight than the other side allows.
    Window,
    /// An identifier is not used again before its exchange is over.
    Identifier,
    /// Nothing is sent before what it depends on is on stable storage.
    WriteAhead,
    /// The application is told once, and truly, what became of a message.
    Accounted,
    /// Packets are what the standard has them be, and the client takes no offence at a server that
    /// keeps to it.
    Protocol,
    /// Without further faults, everything comes to its end.
    Ends,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AtLeastOnce,
        Self::ExactlyOnce,
        Self::Order,
        Self::Window,
        Self::Identifier,
        Self::WriteAhead,
        Self::Accounted,
        Self::Protocol,
        Self::Ends,
    ];
}

/// A rule that was broken, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

pub(crate) type Verdict<T = ()> = Result<T, Violation>;

/// Ends the function with a [`Violation`] of the rule unless the condition is true.
macro_rules! require {
    ($rule:ident, $condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err($crate::rules::Violation {
                rule: $crate::rules::Rule::$rule,
                what: format!($($what)+),
            });
        }
    };
}
pub(crate) use require;
