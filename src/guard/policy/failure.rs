//! Why a condition has no value.
//!
//! Every failure is a denial. What is kept of it is its kind alone: the interpreter's own messages
//! repeat the values that it met, which are a caller's.

use cel::ExecutionError;
use serde::Serialize;

/// Why a condition has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// A field or key is not there.
    #[error("a field that it reads is absent")]
    Absent,
    /// An operation does not go with the types it was given.
    #[error("a value is not of the type that it needs")]
    Type,
    /// A number is too large for its type.
    #[error("a number overflowed")]
    Overflow,
    /// Division, or remainder, by zero.
    #[error("it divided by zero")]
    DivisionByZero,
    /// A list is shorter than an index.
    #[error("a list is shorter than it needs")]
    Index,
    /// A function refused what it was given.
    #[error("a function could not read a value")]
    Function,
    /// Its value is neither true nor false.
    #[error("it is neither true nor false")]
    NotBoolean,
    /// Its comprehensions met too many items.
    #[error("it would go through too many items")]
    TooManyItems,
    /// It would make a text or a list that is too large.
    #[error("it would make a value that is too large")]
    TooLarge,
    /// What it reads is nested too deeply.
    #[error("what it reads is nested too deeply")]
    TooDeep,
    /// It took too long, or waited too long for its turn.
    #[error("it took too long")]
    TimedOut,
    /// The policy was made without the tool that is called.
    #[error("the policy does not know the tool")]
    UnknownTool,
    /// The interpreter failed in a way of its own.
    #[error("the interpreter failed")]
    Internal,
}

impl From<&ExecutionError> for Failure {
    fn from(error: &ExecutionError) -> Self {
        match error {
            ExecutionError::NoSuchKey(_) => Self::Absent,
            ExecutionError::NoSuchOverload(_)
            | ExecutionError::UnexpectedType { .. }
            | ExecutionError::UnsupportedTargetType { .. }
            | ExecutionError::NotSupportedAsMethod { .. }
            | ExecutionError::UnsupportedKeyType(_)
            | ExecutionError::ValuesNotComparable(..)
            | ExecutionError::UnsupportedBinaryOperator(..)
            | ExecutionError::UnsupportedIndex(..) => Self::Type,
            ExecutionError::Overflow(..) => Self::Overflow,
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                Self::DivisionByZero
            }
            ExecutionError::IndexOutOfBounds(_) => Self::Index,
            ExecutionError::FunctionError { .. } => Self::Function,
            _ => Self::Internal,
        }
    }
}
