//! As much understanding of Rust as tidiness needs: what is code and what is a comment or a
//! literal, where functions begin and end, what is compiled for tests only.

/// A source text, sorted into code and literals. Comments are in neither.
#[derive(Debug)]
pub struct Source {
    /// The text with every character of comments and literals replaced by a space; lines and
    /// columns (in characters) are as they were.
    pub code: String,
    /// The content of each string literal, as written, with the line where it begins.
    pub strings: Vec<(usize, String)>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// Lines from there to its closing brace.
    pub lines: usize,
}

/// Sorts the text of a file.
pub fn parse(text: &str) -> Source {
    let mut scan = Scan { chars: text.chars().collect(), at: 0, code: String::new(), strings: Vec::new() };
    while let Some(c) = scan.peek(0) {
        let after_word = scan.at > 0 && is_word(scan.chars[scan.at - 1]);
        match c {
            '/' if scan.peek(1) == Some('/') => scan.blank_while(|rest| rest[0] != '\n'),
            '/' if scan.peek(1) == Some('*') => scan.block_comment(),
            '"' => scan.string(0),
            '\'' => scan.quote(),
            'r' | 'b' | 'c' if !after_word => scan.maybe_prefixed(),
            _ => scan.keep(),
        }
    }
    Source { code: scan.code, strings: scan.strings }
}

struct Scan {
    chars: Vec<char>,
    at: usize,
    code: String,
    strings: Vec<(usize, String)>,
}

impl Scan {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.code.extend(self.peek(0));
        self.at += 1;
    }

    fn blank(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(c) = self.peek(0) {
                self.code.push(if c == '\n' { '\n' } else { ' ' });
                self.at += 1;
            }
        }
    }

    fn blank_while(&mut self, goes_on: impl Fn(&[char]) -> bool) {
        while self.at < self.chars.len() && goes_on(&self.chars[self.at..]) {
            self.blank(1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => (depth += 1, self.blank(2)).1,
                (Some('*'), Some('/')) => (depth -= 1, self.blank(2)).1,
                (Some(_), _) => self.blank(1),
                (None, _) => return,
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// A string whose `prefix` characters (`br##`, or none) begin here; a raw one knows no escapes.
    fn string(&mut self, prefix: usize) {
        let raw = self.chars[self.at..self.at + prefix].contains(&'r');
        let hashes = self.chars[self.at..self.at + prefix].iter().filter(|c| **c == '#').count();
        let line = 1 + self.code.matches('\n').count();
        self.blank(prefix + 1);
        let start = self.at;
        while let Some(c) = self.peek(0) {
            if c == '\\' && !raw {
                self.blank(2);
            } else if c == '"' && (1..=hashes).all(|n| self.peek(n) == Some('#')) {
                break;
            } else {
                self.blank(1);
            }
        }
        self.strings.push((line, self.chars[start..self.at.min(self.chars.len())].iter().collect()));
        self.blank(1 + hashes);
    }

    /// A character or a lifetime.
    fn quote(&mut self) {
        match (self.peek(1), self.peek(2)) {
            (Some('\\'), Some(_)) => {
                self.blank(3);
                self.blank_while(|rest| rest[0] != '\'');
                self.blank(1);
            }
            (Some(_), Some('\'')) => self.blank(3),
            _ => self.keep(),
        }
    }

    /// `r"`, `r#"`, `b"`, `br"`, `c"`, `b'`; or a name that begins with such a letter.
    fn maybe_prefixed(&mut self) {
        let letters = (0..2).take_while(|n| matches!(self.peek(*n), Some('r' | 'b' | 'c'))).count();
        let raw = self.chars[self.at..self.at + letters].contains(&'r');
        let hashes = (0..).take_while(|n| raw && self.peek(letters + n) == Some('#')).count();
        match self.peek(letters + hashes) {
            Some('"') => self.string(letters + hashes),
            Some('\'') if letters == 1 && self.peek(0) == Some('b') => (self.blank(1), self.quote()).1,
            _ => self.keep(),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Byte positions at which `word` stands alone.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// The line of a byte position, from 1.
pub fn line_of(code: &str, at: usize) -> usize {
    1 + code[..at].matches('\n').count()
}

/// The first `{` or `;` from `at` on that is not within parentheses or brackets.
fn body_or_end(code: &str, at: usize) -> Option<(usize, char)> {
    let mut depth = 0_i32;
    code[at..].char_indices().find_map(|(offset, c)| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' | ';' if depth == 0 => return Some((at + offset, c)),
            _ => {}
        }
        None
    })
}

/// The position just behind the bracket that closes the one at `open`.
fn closed(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    let end = code[open..].char_indices().find(|(_, c)| {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    end.map_or(code.len(), |(offset, c)| open + offset + c.len_utf8())
}

/// Every function with a body, in order.
pub fn functions(code: &str) -> Vec<Function> {
    words(code, "fn")
        .filter_map(|at| {
            let name: String = code[at + 2..].trim_start().chars().take_while(|c| is_word(*c)).collect();
            let (open, '{') = body_or_end(code, at)? else { return None };
            let (first, last) = (line_of(code, at), line_of(code, closed(code, open)));
            (!name.is_empty()).then_some(Function { name, line: first, lines: last - first + 1 })
        })
        .collect()
}

/// Names of the test functions: those with an attribute that ends in `test`.
pub fn tests(code: &str) -> Vec<String> {
    let attribute = |line: &str| {
        let inside = line.trim().strip_prefix("#[").and_then(|rest| rest.strip_suffix(']'))?;
        let path = inside.split('(').next()?;
        (path == "test" || path.ends_with("::test")).then_some(())
    };
    let lines: Vec<&str> = code.lines().collect();
    let is_test = |function: &Function| {
        let above = lines[..function.line - 1].iter().rev();
        above
            .take_while(|line| line.trim().starts_with('#') || line.trim().is_empty())
            .any(|l| attribute(l).is_some())
    };
    functions(code).into_iter().filter(is_test).map(|function| function.name).collect()
}

/// The code without the items that are compiled for tests only.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut rest = String::new();
    let mut at = 0;
    while let Some(offset) = code[at..].find(MARK) {
        let mark = at + offset;
        rest.push_str(&code[at..mark]);
        let end = match body_or_end(code, mark + MARK.len()) {
            Some((open, '{')) => closed(code, open),
            Some((semicolon, _)) => semicolon + 1,
            None => code.len(),
        };
        // Lines keep their numbers.
        rest.extend(code[mark..end].chars().filter(|c| *c == '\n'));
        at = end;
    }
    rest.push_str(&code[at..]);
    rest
}

/// Names of the modules that are compiled for tests only; they may lie in files of their own.
pub fn test_modules(code: &str) -> Vec<String> {
    let items = code.split("#[cfg(test)]").skip(1).filter_map(|rest| rest.split(['{', ';']).next());
    let names = items.filter_map(|item| {
        let mut words = item.split_whitespace().rev();
        let name = words.next()?;
        (words.next() == Some("mod")).then(|| name.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "a /* b /* c */ \" */ d // e \"\nf(\"g \\\" h\", r#\"i \" j\"#, 'k', '\\'', b'\"', b\"l\") 'm: r#n br";
        let source = parse(text);
        assert_eq!(
            source.code.split_whitespace().collect::<Vec<_>>().join(" "),
            "a d f( , , , , , ) 'm: r#n br"
        );
        assert_eq!(source.code.lines().count(), text.lines().count());
        assert_eq!(source.strings, [(2, "g \\\" h".into()), (2, "i \" j".into()), (2, "l".into())]);
    }

    #[test]
    fn functions_are_found_with_their_lengths() {
        let code = parse("trait T { fn declared(&self) -> [u8; 2]; }\nfn one() {}\nfn two<F: Fn(i32)>(\n f: fn(u8),\n) where F: Clone {\n if x { y }\n}\n").code;
        let found: Vec<_> = functions(&code).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("one".to_owned(), 2, 1), ("two".to_owned(), 3, 5)]);
    }

    #[test]
    fn only_functions_with_a_test_attribute_are_tests() {
        let code = "#[test]\nfn a() {}\n#[tokio::test(start_paused = true)]\n#[cfg(x)]\nasync fn b() {}\nfn c() {}\n#[cfg(test)]\nfn d() {}\n";
        assert_eq!(tests(code), ["a", "b"]);
    }

    #[test]
    fn what_is_compiled_for_tests_is_left_out_and_lines_stay() {
        let code = "x\n#[cfg(test)]\nmod tests {\n fn a() { b }\n}\ny\n#[cfg(test)]\npub(crate) mod more;\nz";
        assert_eq!(without_tests(code), "x\n\n\n\n\ny\n\n\nz");
        assert_eq!(test_modules(code), ["tests", "more"]);
    }
}
