//! Text between two marks in a file that is otherwise written by hand.

/// Replaces what stands between the lines `begin` and `end` in `text`; `None` if they are not
/// there.
#[must_use]
pub fn splice(text: &str, begin: &str, end: &str, new: &str) -> Option<String> {
    let start = text.find(begin)? + begin.len();
    let stop = start + text.get(start..)?.find(end)?;
    Some(format!(
        "{}\n{}\n{}",
        text.get(..start)?,
        new.trim_end(),
        text.get(stop..)?
    ))
}

#[cfg(test)]
mod tests {
    use super::splice;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let text = "before\n<!-- a -->\nold\n<!-- b -->\nafter\n";
        let spliced = splice(text, "<!-- a -->", "<!-- b -->", "new\n").unwrap();
        assert_eq!(spliced, "before\n<!-- a -->\nnew\n<!-- b -->\nafter\n");
        assert_eq!(
            splice(&spliced, "<!-- a -->", "<!-- b -->", "new\n"),
            Some(spliced)
        );
    }

    #[test]
    fn a_missing_mark_is_noticed() {
        assert_eq!(
            splice("<!-- b --> <!-- a -->", "<!-- a -->", "<!-- b -->", ""),
            None
        );
    }
}
