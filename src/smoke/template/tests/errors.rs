//! Mistakes in templates, in the words of Go, with their lines.

use super::refuse;

#[test]
fn mistakes_of_syntax_name_the_line() {
    refuse(&[
        ("a\n{{genPrivateKey .}}", "template: goss.yaml:2: function \"genPrivateKey\" not defined"),
        ("{{toLowr .Vars.name}}", "template: goss.yaml:1: function \"toLowr\" not defined (did you mean `toLower`?)"),
        ("\n\n{{.Vars.name", "template: goss.yaml:3: unclosed action"),
        ("{{\"abc}}", "template: goss.yaml:1: unterminated quoted string"),
        ("{{`abc}}", "template: goss.yaml:1: unterminated raw quoted string"),
        ("{{/* abc }}", "template: goss.yaml:1: unclosed comment"),
        ("{{end}}", "template: goss.yaml:1: unexpected {{end}}"),
        ("{{if true}}x", "template: goss.yaml:1: unexpected EOF: {{if}} has no {{end}}"),
        ("{{if true}}{{else}}{{else}}{{end}}", "template: goss.yaml:1: expected end; found {{else}}"),
        ("{{$x}}", "template: goss.yaml:1: undefined variable \"$x\""),
        ("{{$x = 1}}", "template: goss.yaml:1: undefined variable \"$x\""),
        ("{{if true}}{{$x := 1}}{{end}}{{$x}}", "template: goss.yaml:1: undefined variable \"$x\""),
        ("{{break}}", "template: goss.yaml:1: {{break}} outside {{range}}"),
        ("{{if}}x{{end}}", "template: goss.yaml:1: missing value for if"),
        ("{{}}", "template: goss.yaml:1: missing value for command"),
        ("{{1 | 2}}", "template: goss.yaml:1: non executable command in pipeline stage 2"),
        ("{{(1}}", "template: goss.yaml:1: unclosed left paren"),
        ("{{1)}}", "template: goss.yaml:1: unexpected right paren"),
        ("{{1 ! 2}}", "template: goss.yaml:1: unexpected '!' in command"),
        ("{{3abc}}", "template: goss.yaml:1: bad number syntax: \"3abc\""),
        ("{{1.a.b}}", "template: goss.yaml:1: bad number syntax: \"1.a.b\""),
        ("{{\"a\".b}}", "template: goss.yaml:1: unexpected . after term \"\\\"a\\\"\""),
        ("{{$a, $b := .Vars.list}}", "template: goss.yaml:1: too many declarations in command"),
        ("{{template}}", "template: goss.yaml:1: unexpected \"}}\" in template clause"),
        ("{{''}}", "template: goss.yaml:1: malformed character constant"),
        ("{{\"\\q\"}}", "template: goss.yaml:1: invalid escape in string"),
    ]);
}

#[test]
fn failures_name_line_column_and_expression() {
    let at = |place: &str, message: &str| format!("template: goss.yaml:{place}: executing \"goss.yaml\" at {message}");
    let cases = [
        ("{{.Vars.nope}}", at("1:7", "<.Vars.nope>: map has no entry for key \"nope\"")),
        ("a\n  {{ .Env.NOPE }}", at("2:9", "<.Env.NOPE>: map has no entry for key \"NOPE\"")),
        ("{{.Foo}}", at("1:2", "<.Foo>: can't evaluate field Foo in type *goss.TmplVars")),
        ("{{.Vars.none.x}}", at("1:7", "<.Vars.none.x>: nil pointer evaluating interface {}.x")),
        ("{{.Vars.name.x}}", at("1:7", "<.Vars.name.x>: can't evaluate field x in type interface {}")),
        ("{{fail \"no way\"}}", at("1:2", "<fail \"no way\">: error calling fail: no way")),
        ("{{upper 5}}", at("1:8", "<5>: wrong type for value; expected string; got int")),
        ("{{upper .Vars.none}}", at("1:13", "<.Vars.none>: invalid value; expected string")),
        ("{{upper}}", at("1:2", "<upper>: wrong number of args for upper: want 1 got 0")),
        ("{{regexMatch \"a\"}}", at("1:2", "<regexMatch \"a\">: wrong number of args for regexMatch: want 2 got 1")),
        ("{{eq 1}}", at("1:2", "<eq 1>: error calling eq: missing argument for comparison")),
        ("{{eq 1 1.0}}", at("1:2", "<eq 1 1.0>: error calling eq: incompatible types for comparison")),
        ("{{lt true false}}", at("1:2", "<lt true false>: error calling lt: invalid type for comparison")),
        ("{{index .Vars.list 9}}", at("1:2", "<index .Vars.list 9>: error calling index: index out of range: 9")),
        ("{{index nil 1}}", at("1:2", "<index nil 1>: error calling index: index of untyped nil")),
        ("{{index 1 1}}", at("1:2", "<index 1 1>: error calling index: can't index item of type int")),
        ("{{len 3}}", at("1:2", "<len 3>: error calling len: len of type int")),
        ("{{call 3}}", at("1:2", "<call 3>: error calling call: non-function of type int")),
        ("{{nil}}", at("1:2", "<nil>: nil is not a command")),
        ("{{.Vars.name 1}}", at("1:7", "<.Vars.name>: name has arguments but cannot be invoked as function")),
        ("{{$x := 1}}{{$x 2}}", at("1:13", "<$x>: can't give argument to non-function $x")),
        ("{{range \"abc\"}}{{end}}", at("1:8", "<\"abc\">: range can't iterate over abc")),
        ("{{template \"x\"}}", at("1:2", "<{{template \"x\"}}>: template \"x\" not defined")),
        ("{{div 1 0}}", at("1:2", "<div 1 0>: error calling div: runtime error: integer divide by zero")),
        (
            "{{readFile \"x\"}}",
            at("1:2", "<readFile \"x\">: error calling readFile: open x: no such file or directory"),
        ),
        (
            "{{semverCompare \"&1\" \"1.0\"}}",
            at("1:2", "<semverCompare \"&1\" \"1.0\">: error calling semverCompare: improper constraint: &1"),
        ),
        (
            "{{slice \"abc\" 1}}",
            at("1:2", "<slice \"abc\" 1>: error calling slice: list should be type of slice or array but string"),
        ),
        (
            "{{regexFind \"(\" \"a\"}}",
            at("1:2", "<regexFind \"(\" \"a\">: error calling regexFind: error parsing regexp: unclosed group: `(`"),
        ),
    ];
    for (source, expected) in &cases {
        refuse(&[(source, expected)]);
    }
}

#[test]
fn a_failure_in_a_named_template_names_it() {
    refuse(&[(
        "{{define \"t\"}}\n{{.x}}{{end}}\n{{template \"t\" (dict)}}",
        "template: goss.yaml:2:2: executing \"t\" at <.x>: map has no entry for key \"x\"",
    )]);
}
