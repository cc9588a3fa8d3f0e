//! From a file in `shaders/` to the WGSL of one entry point: constants defined, imports inserted, loops unrolled.
//!
//! A directive is on a line of its own. `EXPR` consists of integers, names of constants and loop variables,
//! `+ - * / % == != < > <= >= && || !` and parentheses; its value is an integer (true is 1).
//!
//! | in the file | in the WGSL |
//! |---|---|
//! | `#import shared/name` | the text of `shaders/shared/name.wgsl`, the first time that it is imported |
//! | `#entry NAME [NAME ...]` | the text up to the next `#entry`, only if the entry point is one of the names; text before the first `#entry` is common to all |
//! | `#if EXPR`, `#else`, `#endif` | one of the two branches |
//! | `#for i in A..B`, `#endfor` | the lines between them for each i from A to B - 1 |
//! | `#let NAME = EXPR` | nothing; defines a name up to the end of the enclosing `#for`, or of the shader |
//! | `${EXPR}`, `$NAME` | the value |
//!
//! A buffer NAME is an array of `stored_NAME_1` or `stored_NAME_4`, the type of one or of four of its values in memory: f16, or
//! f32. The kernel converts when it loads and stores. In an `EXPR`, HALF is 1 if any of its buffers is f16.
//!
//! `$NAME` is replaced in an `EXPR` as well: with i = 2, `SIZE_$i` is the constant `SIZE_2`.
//!
//! Comments are removed. The constants of the pass are also defined as WGSL constants at the beginning.

mod error;
mod expression;

use self::expression::{evaluate, is_name};
use super::{Constant, Pass};

pub use self::error::{Error, Result};

macro_rules! sources {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("../../../../shaders/", $name)))),*] };
}

/// Every file of `shaders/`: name and text.
const SOURCES: &[(&str, &str)] = sources![
    "activation.wgsl",
    "adam.wgsl",
    "average.wgsl",
    "average_pool.wgsl",
    "channels.wgsl",
    "conv.wgsl",
    "conv_grad_weight.wgsl",
    "dense.wgsl",
    "fgsm.wgsl",
    "gather.wgsl",
    "heads.wgsl",
    "lens.wgsl",
    "lens_head.wgsl",
    "norm.wgsl",
    "peak_rates.wgsl",
    "pool.wgsl",
    "shared/channels.wgsl",
    "shared/deflection.wgsl",
    "shared/finite.wgsl",
    "shared/lanes.wgsl",
    "shared/masked.wgsl",
    "shared/nan.wgsl",
    "shared/peak.wgsl",
    "shared/random.wgsl",
    "shared/sersic.wgsl",
    "shared/softplus.wgsl",
];

/// The WGSL of a pass.
///
/// # Errors
/// A fault of the shader or of its constants, with its line.
pub fn preprocess(pass: &Pass) -> Result<String> {
    let half = pass.buffers.iter().any(|buffer| buffer.half);
    let kernel = expand(SOURCES, pass.shader, pass.entry, &pass.constants, half)?;
    let mut wgsl = String::from(if half { "enable f16;\n" } else { "" });
    for buffer in &pass.buffers {
        let value = if buffer.half { "f16" } else { "f32" };
        for (lane, stored) in [("1", value.into()), ("4", format!("vec4<{value}>"))] {
            let name = format!("stored_{}_{lane}", buffer.name);
            if kernel.contains(&name) {
                wgsl += &format!("alias {name} = {stored};\n");
            }
        }
    }
    Ok(wgsl + &kernel)
}

fn expand(
    sources: &[(&str, &str)],
    shader: &str,
    entry: &str,
    constants: &[(&str, Constant)],
    half: bool,
) -> Result<String> {
    let mut expander = Expander {
        sources,
        names: vec![("HALF".into(), half.into())],
        imported: Vec::new(),
        out: String::new(),
    };
    for &(name, constant) in constants {
        match constant {
            Constant::U32(value) => {
                expander.names.push((name.to_string(), value.into()));
                expander.out += &format!("const {name}: u32 = {value}u;\n");
            }
            Constant::F32(value) => {
                if !value.is_finite() {
                    return Err(Error::NotFinite {
                        name: name.into(),
                        value,
                    });
                }
                expander.out += &format!("const {name}: f32 = {value:?}f;\n");
            }
        }
    }
    let lines = section(expander.file(shader)?, entry).ok_or_else(|| Error::UnknownEntry {
        shader: shader.into(),
        entry: entry.into(),
    })?;
    expander.block(shader, &lines)?;
    Ok(expander.out)
}

/// A line and its number, from 1.
type Line<'a> = (usize, &'a str);

/// The lines common to all entries and those of `entry`; `None` if no section is for this entry.
fn section<'a>(source: &'a str, entry: &str) -> Option<Vec<Line<'a>>> {
    let (mut keep, mut exists) = (true, false);
    let mut lines = Vec::new();
    for (i, line) in source.lines().enumerate() {
        if let Some(names) = line.trim().strip_prefix("#entry ") {
            keep = names.split_whitespace().any(|name| name == entry);
            exists |= keep;
        } else if keep {
            lines.push((i + 1, line));
        }
    }
    exists.then_some(lines)
}

struct Expander<'a> {
    sources: &'a [(&'a str, &'a str)],
    names: Vec<(String, i64)>,
    imported: Vec<String>,
    out: String,
}

impl<'a> Expander<'a> {
    fn file(&self, name: &str) -> Result<&'a str> {
        let row = self.sources.iter().find(|(n, _)| *n == name);
        row.map(|row| row.1).ok_or_else(|| Error::UnknownShader(name.into()))
    }

    fn block(&mut self, file: &str, lines: &[Line]) -> Result<()> {
        let mut at = 0;
        while at < lines.len() {
            let (number, line) = lines[at];
            at += self.line(file, &lines[at..]).map_err(|problem| Error::At {
                file: file.into(),
                line: number,
                text: line.trim().into(),
                problem: Box::new(problem),
            })?;
        }
        Ok(())
    }

    /// Expands the first of `lines`, with its block if it opens one, and returns the number of lines that it took.
    fn line(&mut self, file: &str, lines: &[Line]) -> Result<usize> {
        let code = lines[0].1.split("//").next().unwrap_or_default().trim_end();
        let Some(directive) = code.trim_start().strip_prefix('#') else {
            if !code.is_empty() {
                let text = self.substitute(code)?;
                self.out += &text;
                self.out.push('\n');
            }
            return Ok(1);
        };
        let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        match word {
            "import" => {
                let name = format!("{}.wgsl", rest.trim());
                if !self.imported.contains(&name) {
                    let lines: Vec<Line> = self.file(&name)?.lines().enumerate().map(|(i, l)| (i + 1, l)).collect();
                    self.imported.push(name.clone());
                    self.block(&name, &lines)?;
                }
                Ok(1)
            }
            "let" => {
                let (name, value) = rest.split_once('=').ok_or(Error::Expected("#let NAME = EXPR"))?;
                let value = self.eval(value)?;
                self.names.push((name.trim().to_string(), value));
                Ok(1)
            }
            "for" => {
                let expected = Error::Expected("#for NAME in A..B");
                let (name, (from, to)) = rest
                    .split_once(" in ")
                    .and_then(|(name, range)| Some((name, range.split_once("..")?)))
                    .ok_or(expected)?;
                let (from, to) = (self.eval(from)?, self.eval(to)?);
                let (_, end) = span(lines, "for")?;
                let names = self.names.len();
                for value in from..to {
                    self.names.push((name.trim().to_string(), value));
                    self.block(file, &lines[1..end])?;
                    self.names.truncate(names);
                }
                Ok(end + 1)
            }
            "if" => {
                let yes = self.eval(rest)? != 0;
                let (middle, end) = span(lines, "if")?;
                match (yes, middle) {
                    (true, _) => self.block(file, &lines[1..middle.unwrap_or(end)])?,
                    (false, Some(middle)) => self.block(file, &lines[middle + 1..end])?,
                    (false, None) => {}
                }
                Ok(end + 1)
            }
            _ => Err(Error::UnknownDirective(word.into())),
        }
    }

    /// `text` with every `${EXPR}` and `$NAME` replaced by its value.
    fn substitute(&self, text: &str) -> Result<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out += before;
            let (expr, tail) = match after.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or(Error::Expected("'}' after '${'"))?,
                None => after.split_at(after.find(|c: char| !is_name(c)).unwrap_or(after.len())),
            };
            out += &self.eval(expr)?.to_string();
            rest = tail;
        }
        Ok(out + rest)
    }

    fn eval(&self, expression: &str) -> Result<i64> {
        evaluate(&self.substitute(expression)?, &self.names)
    }
}

/// The places of the `#else` and of the end of the block that `lines[0]` opens.
fn span(lines: &[Line], kind: &'static str) -> Result<(Option<usize>, usize)> {
    let (mut depth, mut middle) = (0, None);
    for (i, (_, line)) in lines.iter().enumerate() {
        match line.split("//").next().unwrap_or_default().split_whitespace().next() {
            Some("#for" | "#if") => depth += 1,
            Some("#else") if depth == 1 && kind == "if" => middle = Some(i),
            Some(word @ ("#endfor" | "#endif")) => {
                depth -= 1;
                if depth == 0 {
                    if word.strip_prefix("#end") != Some(kind) {
                        return Err(Error::ClosedBy {
                            kind,
                            by: word.into(),
                            line: lines[i].0,
                        });
                    }
                    return Ok((middle, i));
                }
            }
            _ => {}
        }
    }
    Err(Error::Unclosed(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(source: &str, constants: &[(&str, Constant)]) -> Result<String> {
        expand(
            &[("a.wgsl", source), ("shared/b.wgsl", "#let B = N + 1\nb$B\n")],
            "a.wgsl",
            "main",
            constants,
            false,
        )
    }

    /// What comes out for N = 3, without the constant's own line, blanks between lines.
    fn text(source: &str) -> String {
        let out = run(source, &[("N", Constant::U32(3))]).unwrap();
        out.strip_prefix("const N: u32 = 3u;\n")
            .unwrap()
            .lines()
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn constants_are_exact() {
        let out = run(
            "#entry main",
            &[("E", 1e-7.into()), ("T", 0.1.into()), ("ONE", 1.0.into())],
        )
        .unwrap();
        assert_eq!(
            out,
            "const E: f32 = 1e-7f;\nconst T: f32 = 0.1f;\nconst ONE: f32 = 1.0f;\n"
        );
        assert!(run("#entry main", &[("C", f32::INFINITY.into())]).is_err());
    }

    #[test]
    fn entries_and_imports() {
        assert_eq!(
            text("all // why\n#entry other\nx\n#entry other main\n#import shared/b\n#import shared/b\ny$B"),
            "all b4 y4"
        );
    }

    #[test]
    fn blocks() {
        assert_eq!(
            text("#entry main\n#for i in 0..N - 1\n#for j in i..2\na$i[${j * 2}]\n#endfor\n#endfor"),
            "a0[0] a0[2] a1[2]"
        );
        let nested =
            "#entry main\n#if N == 4\n#if 1\na\n#endif\n#else\nb\n#if N >= 3 && !(N % 2 == 0)\nc\n#endif\n#endif";
        assert_eq!(text(nested), "b c");
        assert_eq!(
            text("#entry main\n#let K = N * 2\n#for i in 0..1\n#let K = 10 - K - 1 // shadows\n$K\n#endfor\n$K"),
            "3 6"
        );
        assert_eq!(
            text("#entry main\n#if N == 3\n#let K = 4\n#else\n#let K = 5\n#endif\n$K"),
            "4"
        );
        assert_eq!(
            text("#entry main\n${2 + 3 * N} ${-N / 2} ${(1 < 2) + (N != 3)} ${7 - 2 - 1}"),
            "11 -1 1 4"
        );
        let numbered =
            "#entry main\n#let A_0 = 5\n#let A_1 = N\n#for i in 0..2\n#if A_$i > N\nA_$i ${A_$i + 1}\n#endif\n#endfor";
        assert_eq!(text(numbered), "A_0 6");
    }

    #[test]
    fn errors_name_file_and_line() {
        for (source, line, problem) in [
            ("#entry main\n#for i in 0..2\nx\n", 2, "#for without #endfor"),
            (
                "#entry main\n#if 1\n#for i in 0..2\n#endif\n#endif",
                3,
                "#for is closed by #endif, line 4",
            ),
            ("#entry main\n\nx$K", 3, "called 'K'"),
            ("#entry main\n#if N +\n#endif", 2, "called ''"),
            ("#entry main\n${N / 0}", 2, "3 / 0 has no value"),
            ("#entry main\n#endif", 2, "#endif does not belong here"),
            ("#entry main\n#import shared/none", 2, "no shader shared/none.wgsl"),
        ] {
            let error = run(source, &[("N", Constant::U32(3))]).unwrap_err().to_string();
            assert!(
                error.contains(&format!("a.wgsl:{line}:")) && error.contains(problem),
                "{error}"
            );
        }
        let error = run("x", &[]).unwrap_err().to_string();
        assert!(error.contains("a.wgsl: no section '#entry main'"), "{error}");
    }
}
