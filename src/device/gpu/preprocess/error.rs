//! What can be wrong with a shader's text: faults of the program, found by its tests.

/// A shader that cannot be expanded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A problem, and the line that has it.
    #[error("{file}:{line}: {text}: {problem}")]
    At {
        /// File in `shaders/`.
        file: String,
        /// Line of the file, from 1.
        line: usize,
        /// Text of the line.
        text: String,
        /// What is wrong with the line; in an imported file, a problem with its own place.
        problem: Box<Error>,
    },
    /// A file that is not part of the program.
    #[error("no shader {0} in the program")]
    UnknownShader(String),
    /// An entry that the shader does not have.
    #[error("{shader}: no section '#entry {entry}'")]
    UnknownEntry {
        /// File in `shaders/`.
        shader: String,
        /// The entry asked for.
        entry: String,
    },
    /// A constant that WGSL cannot express.
    #[error("constant {name} is {value}; WGSL has finite constants only")]
    NotFinite {
        /// Name of the constant.
        name: String,
        /// Its value.
        value: f32,
    },
    /// A directive that does not exist, or not in this place.
    #[error("#{0} does not belong here; known are import, entry, if, else, endif, for, endfor, let")]
    UnknownDirective(String),
    /// A directive with missing parts.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A block that does not end.
    #[error("#{0} without #end{0}")]
    Unclosed(&'static str),
    /// A block that ends as another kind of block.
    #[error("#{kind} is closed by {by}, line {line}")]
    ClosedBy {
        /// Kind of the block.
        kind: &'static str,
        /// The directive that closes it.
        by: String,
        /// Its line.
        line: usize,
    },
    /// Text behind an expression.
    #[error("unexpected '{rest}' in '{expression}'")]
    Unexpected {
        /// The text behind it.
        rest: String,
        /// The whole text.
        expression: String,
    },
    /// A number that does not fit 64 bits.
    #[error("'{0}' is not a number")]
    NotANumber(String),
    /// A division by zero or an overflow.
    #[error("{a} {operator} {b} has no value")]
    NoValue {
        /// Left operand.
        a: i64,
        /// The operator.
        operator: &'static str,
        /// Right operand.
        b: i64,
    },
    /// A name without a value.
    #[error("no integer constant or loop variable is called '{0}'")]
    UnknownName(String),
}

/// A result with an [`Error`] of the preprocessor.
pub type Result<T> = std::result::Result<T, Error>;
