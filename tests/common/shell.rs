//! The little of a shell's syntax that examples in documents use.

/// The commands of `lensgpu` in a block of shell code, one per line; a backslash joins a line to the next.
pub fn commands(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with("lensgpu "))
        .map(String::from)
        .collect()
}

/// The words of a command, up to a comment, a pipe or a redirection. Single quotes are removed, and `$name` becomes 1.
pub fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = command.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\'' => quoted = !quoted,
            '|' | '>' | ';' | '&' if !quoted => break,
            '#' if !quoted && word.is_empty() => break,
            '$' if !quoted => {
                while characters.next_if(|c| c.is_alphanumeric() || *c == '_').is_some() {}
                word.push('1');
            }
            c if c.is_whitespace() && !quoted => {
                words.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty()))
            }
            c => word.push(c),
        }
    }
    assert!(!quoted, "a quote is not closed: {command}");
    words.extend(Some(word).filter(|w| !w.is_empty()));
    words
}

#[test]
fn words_end_at_comments_and_pipes_and_quotes_keep_spaces() {
    let command = "lensgpu infer m 'a b|c' --seed $seed#1 -o x.csv # a comment";
    assert_eq!(
        words(command),
        ["lensgpu", "infer", "m", "a b|c", "--seed", "1#1", "-o", "x.csv"]
    );
    assert_eq!(
        words("lensgpu info m --json | jq .x"),
        ["lensgpu", "info", "m", "--json"]
    );
    assert_eq!(
        commands("x\n lensgpu a \\\n  b\nlensgpu c"),
        ["lensgpu a    b", "lensgpu c"]
    );
}
