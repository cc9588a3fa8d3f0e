//! From a file in `shaders/` to the WGSL of one entry point: constants in front, imports pasted, loops unrolled.
//!
//! A directive has a line of its own; `EXPR` is made of integers, names of constants and loop variables,
//! `+ - * / % == != < > <= >= && || !` and parentheses, and what it yields is an integer (true is 1).
//!
//! | in the file | what comes out |
//! |---|---|
//! | `#import shared/name` | `shaders/shared/name.wgsl`, at its first mention only |
//! | `#entry NAME [NAME ...]` | what follows, up to the next `#entry`, only where one of the names is the entry compiled; text before the first `#entry` is common to all |
//! | `#if EXPR`, `#else`, `#endif` | one of the two branches |
//! | `#for i in A..B`, `#endfor` | the lines between for each i from A to B - 1 |
//! | `#let NAME = EXPR` | nothing; a name for `EXPR` up to the end of the `#for` that it stands in, else of the shader |
//! | `${EXPR}`, `$NAME` | the value |
//!
//! Comments are dropped. The constants are those of the pass, and stand in front as WGSL constants too.

use anyhow::{Context, Result, bail, ensure};

use super::Constant;

macro_rules! sources {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("../../../shaders/", $name)))),*] };
}

/// Every file of `shaders/`, part of the program.
pub const SOURCES: &[(&str, &str)] = sources![
    "adam.wgsl",
    "average.wgsl",
    "conv.wgsl",
    "dense.wgsl",
    "fgsm.wgsl",
    "gather.wgsl",
    "heads.wgsl",
    "lens.wgsl",
    "norm.wgsl",
    "pool.wgsl",
    "shared/channels.wgsl",
    "shared/deflection.wgsl",
    "shared/finite.wgsl",
    "shared/nan.wgsl",
    "shared/random.wgsl",
    "shared/sersic.wgsl",
];

/// The WGSL of `entry` of `shaders/{shader}`, compiled for `constants`.
///
/// Errors name the shader and the line.
pub fn preprocess(shader: &str, entry: &str, constants: &[(&str, Constant)]) -> Result<String> {
    expand(SOURCES, shader, entry, constants)
}

fn expand(sources: &[(&str, &str)], shader: &str, entry: &str, constants: &[(&str, Constant)]) -> Result<String> {
    let mut expander = Expander {
        sources,
        names: Vec::new(),
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
                ensure!(
                    value.is_finite(),
                    "{shader}, entry {entry}: constant {name} is {value}; WGSL has finite ones only"
                );
                expander.out += &format!("const {name}: f32 = {value:?}f;\n");
            }
        }
    }
    let lines = section(expander.file(shader)?, entry).with_context(|| format!("shader {shader}"))?;
    expander.block(shader, &lines)?;
    Ok(expander.out)
}

/// A line and its number, from 1.
type Line<'a> = (usize, &'a str);

/// The lines common to all entries and those of `entry`.
fn section<'a>(source: &'a str, entry: &str) -> Result<Vec<Line<'a>>> {
    let (mut keep, mut found) = (true, false);
    let mut lines = Vec::new();
    for (i, line) in source.lines().enumerate() {
        if let Some(names) = line.trim().strip_prefix("#entry ") {
            keep = names.split_whitespace().any(|name| name == entry);
            found |= keep;
        } else if keep {
            lines.push((i + 1, line));
        }
    }
    ensure!(found, "no section '#entry {entry}'");
    Ok(lines)
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
        Ok(row.with_context(|| format!("no shader {name} in the program"))?.1)
    }

    fn block(&mut self, file: &str, lines: &[Line]) -> Result<()> {
        let mut at = 0;
        while at < lines.len() {
            let (number, line) = lines[at];
            let used = self
                .line(file, &lines[at..])
                .with_context(|| format!("{file}:{number}: {}", line.trim()))?;
            at += used;
        }
        Ok(())
    }

    /// Expands the first of `lines`, with its block where it opens one; returns how many lines that were.
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
                let (name, value) = rest.split_once('=').context("expected #let NAME = EXPR")?;
                let value = self.eval(value)?;
                self.names.push((name.trim().to_string(), value));
                Ok(1)
            }
            "for" => {
                let (name, range) = rest.split_once(" in ").context("expected #for NAME in A..B")?;
                let (from, to) = range.split_once("..").context("expected #for NAME in A..B")?;
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
            _ => bail!("#{word} does not belong here; known are import, entry, if, else, endif, for, endfor, let"),
        }
    }

    /// `text` with every `${EXPR}` and `$NAME` replaced by its value.
    fn substitute(&self, text: &str) -> Result<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out += before;
            let (expr, tail) = match after.strip_prefix('{') {
                Some(braced) => braced.split_once('}').context("'${' without '}'")?,
                None => after.split_at(after.find(|c: char| !is_name(c)).unwrap_or(after.len())),
            };
            out += &self.eval(expr)?.to_string();
            rest = tail;
        }
        Ok(out + rest)
    }

    fn eval(&self, expr: &str) -> Result<i64> {
        let mut parser = Parser {
            names: &self.names,
            rest: expr.trim(),
        };
        let value = parser.binary(0)?;
        ensure!(
            parser.rest.is_empty(),
            "cannot make sense of '{}' in '{}'",
            parser.rest,
            expr.trim()
        );
        Ok(value)
    }
}

/// Where the block that `lines[0]` opens has its `#else`, and where it ends.
fn span(lines: &[Line], kind: &str) -> Result<(Option<usize>, usize)> {
    let (mut depth, mut middle) = (0, None);
    for (i, (_, line)) in lines.iter().enumerate() {
        match line.split("//").next().unwrap_or_default().split_whitespace().next() {
            Some("#for" | "#if") => depth += 1,
            Some("#else") if depth == 1 && kind == "if" => middle = Some(i),
            Some(word @ ("#endfor" | "#endif")) => {
                depth -= 1;
                if depth == 0 {
                    ensure!(
                        word == format!("#end{kind}"),
                        "#{kind} is closed by {word}, line {}",
                        lines[i].0
                    );
                    return Ok((middle, i));
                }
            }
            _ => {}
        }
    }
    bail!("#{kind} without #end{kind}")
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Operators by rank, the loosest first; of one rank the longer first.
const OPERATORS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["==", "!=", "<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "/", "%"],
];

struct Parser<'a> {
    names: &'a [(String, i64)],
    rest: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        let tail = self.rest.strip_prefix(token);
        self.rest = tail.map_or(self.rest, str::trim_start);
        tail.is_some()
    }

    fn binary(&mut self, rank: usize) -> Result<i64> {
        let Some(operators) = OPERATORS.get(rank) else {
            return self.unary();
        };
        let mut a = self.binary(rank + 1)?;
        while let Some(operator) = operators.iter().copied().find(|o| self.take(o)) {
            let b = self.binary(rank + 1)?;
            let value = match operator {
                "||" => Some((a != 0 || b != 0).into()),
                "&&" => Some((a != 0 && b != 0).into()),
                "==" => Some((a == b).into()),
                "!=" => Some((a != b).into()),
                "<=" => Some((a <= b).into()),
                ">=" => Some((a >= b).into()),
                "<" => Some((a < b).into()),
                ">" => Some((a > b).into()),
                "+" => a.checked_add(b),
                "-" => a.checked_sub(b),
                "*" => a.checked_mul(b),
                "/" => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            a = value.with_context(|| format!("{a} {operator} {b} has no value"))?;
        }
        Ok(a)
    }

    fn unary(&mut self) -> Result<i64> {
        if self.take("!") {
            return Ok((self.unary()? == 0).into());
        }
        if self.take("-") {
            return Ok(-self.unary()?);
        }
        if self.take("(") {
            let value = self.binary(0)?;
            ensure!(self.take(")"), "missing ')'");
            return Ok(value);
        }
        let (word, tail) = self
            .rest
            .split_at(self.rest.find(|c: char| !is_name(c)).unwrap_or(self.rest.len()));
        self.rest = tail.trim_start();
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.parse().with_context(|| format!("'{word}' is not a number"));
        }
        let known = self.names.iter().rev().find(|(name, _)| name == word);
        Ok(known
            .with_context(|| format!("no integer constant or loop variable is called '{word}'"))?
            .1)
    }
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
            let error = format!("{:#}", run(source, &[("N", Constant::U32(3))]).unwrap_err());
            assert!(
                error.contains(&format!("a.wgsl:{line}:")) && error.contains(problem),
                "{error}"
            );
        }
        assert!(format!("{:#}", run("x", &[]).unwrap_err()).contains("a.wgsl: no section '#entry main'"));
    }
}
