//! From a line of rendered text back to the line of the file that wrote it.

use super::render;

/// For each rendered line the source line that wrote it.
fn lines(source: &str) -> Vec<(String, u32)> {
    let rendered = render(source).unwrap();
    let numbered = rendered.text.split('\n').zip(&rendered.lines);
    numbered.map(|(text, line)| (text.to_owned(), *line)).collect()
}

#[test]
fn without_actions_every_line_is_its_own() {
    assert_eq!(lines("a\nb\n"), [("a".to_owned(), 1), ("b".to_owned(), 2), (String::new(), 3)]);
}

#[test]
fn lines_of_a_loop_are_those_of_its_body() {
    let found = lines("file:\n{{- range .Vars.list}}\n  {{.}}:\n    exists: true\n{{- end}}\nuser: {}");
    let expected = [
        ("file:", 1),
        ("  a:", 3),
        ("    exists: true", 4),
        ("  b:", 3),
        ("    exists: true", 4),
        ("  c:", 3),
        ("    exists: true", 4),
        ("user: {}", 6),
    ];
    assert_eq!(found, expected.map(|(text, line)| (text.to_owned(), line)));
}

#[test]
fn lines_that_one_action_writes_are_all_its_own() {
    let found = lines("a:\n\n{{ \"x\\ny\" | nindent 2 }}\nb");
    let expected = [("a:", 1), ("", 2), ("", 3), ("  x", 3), ("  y", 3), ("b", 4)];
    assert_eq!(found, expected.map(|(text, line)| (text.to_owned(), line)));
}

#[test]
fn lines_of_a_named_template_are_where_it_is_written() {
    let found = lines("{{define \"t\"}}\nt: {{.}}{{end}}\n{{template \"t\" 1}}\nend");
    let expected = [("", 1), ("", 1), ("t: 1", 2), ("end", 4)];
    assert_eq!(found[2..], expected[2..].iter().map(|(text, line)| ((*text).to_owned(), *line)).collect::<Vec<_>>());
}

#[test]
fn there_are_as_many_lines_as_newlines_and_one() {
    let rendered = render("{{range 3}}\n\n{{.}}\n{{end}}").unwrap();
    assert_eq!(rendered.lines.len(), rendered.text.matches('\n').count() + 1);
    assert_eq!(rendered.source_line(3), 3);
    assert_eq!(rendered.source_line(9999), rendered.source_line(u32::try_from(rendered.lines.len()).unwrap()));
}
