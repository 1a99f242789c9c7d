//! The language: actions, pipelines, variables, loops, definitions, as Go documents them.

use super::check;

#[test]
fn text_stays_as_it_is() {
    check(&[("", ""), ("plain text\n", "plain text\n"), ("a } b }} c { d", "a } b }} c { d"), ("☺{{\"é\"}}", "☺é")]);
}

#[test]
fn trim_markers_take_the_blanks_beside_them() {
    check(&[
        ("{{23 -}} < {{- 45}}", "23<45"),
        ("a \n {{- 1 -}} \n\t b", "a1b"),
        ("a {{-3}} b", "a -3 b"),
        ("a {{- /* c */ -}} b", "ab"),
        ("a {{/* {{ }} \n c */}} b", "a  b"),
        ("{{- \"x\" -}}", "x"),
        ("{{ 1 }} {{- 2 }} {{ 3 -}} ", "12 3"),
    ]);
}

#[test]
fn literals_are_gos() {
    check(&[
        (r#"{{"a\tb\"\\\x41\u00e9\101"}}"#, "a\tb\"\\AéA"),
        ("{{`raw \\n \"q\"`}}", r#"raw \n "q""#),
        ("{{'a'}} {{'\\n'}} {{'☺'}}", "97 10 9786"),
        ("{{12}} {{-7}} {{+7}} {{0x1F}} {{0b101}} {{0o17}} {{017}} {{1_000}}", "12 -7 7 31 5 15 15 1000"),
        (
            "{{1.5}} {{.5}} {{1e3}} {{1e20}} {{1.0}} {{1e-7}} {{1000000.0}} {{123456.0}}",
            "1.5 0.5 1000 1e+20 1 1e-07 1e+06 123456",
        ),
        ("{{true}} {{false}}", "true false"),
        ("{{print nil}}", "<nil>"),
    ]);
}

#[test]
fn data_is_reached_by_fields_and_index() {
    check(&[
        ("{{.Vars.name}} {{.Env.OS}} {{$.Vars.deep.er.still}}", "web OS here"),
        ("{{index .Vars \"deep\" \"er\" \"still\"}} {{(index .Vars.users 1).name}}", "here bin"),
        ("{{index .Vars .Env.OS \"packages\"}}", "map[apache2:2.4 nginx:1.2]"),
        ("{{index .Vars.list 2}} {{index \"abc\" 1}}", "c 98"),
        ("{{index .Vars \"missing\"}}|{{index .Env \"missing\"}}|", "<no value>||"),
        ("{{.Vars.none}}", "<no value>"),
        ("{{.Vars.list}} {{.Vars.map}} {{.Vars.count}} {{.Vars.ratio}}", "[a b c] map[a:1 b:2] 3 1.5"),
    ]);
}

#[test]
fn pipelines_hand_the_value_on_as_the_last_argument() {
    check(&[
        (r#"{{"output" | printf "%s-%s" "a"}}"#, "a-output"),
        (r#"{{"hello!" | upper | repeat 2}}"#, "HELLO!HELLO!"),
        (r#"{{printf "%q" (print "out" "put")}}"#, r#""output""#),
        (r#"{{ ("abc" | upper) | lower }}"#, "abc"),
        ("{{ .Vars.list | len }}", "3"),
    ]);
}

#[test]
fn variables_live_to_the_end_of_their_block() {
    check(&[
        ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{$x}}{{end}}{{$x}}", "32"),
        ("{{$x := 0}}{{range .Vars.list}}{{$x = add $x 1}}{{end}}{{$x}}", "3"),
        ("{{with $x := \"v\"}}{{$x}}{{.}}{{end}}", "vv"),
        ("{{if $x := .Vars.name}}{{$x}}{{end}}", "web"),
        ("{{range $.Vars.list}}{{$.Vars.name}}{{end}}", "webwebweb"),
        ("{{$x := 5 | add 1}}{{$x}}", "6"),
    ]);
}

#[test]
fn if_takes_the_first_branch_that_is_true() {
    let truth = "{{if %}}t{{else}}f{{end}}";
    let cases = [
        ("true", "t"),
        ("false", "f"),
        ("1", "t"),
        ("0", "f"),
        ("0.0", "f"),
        ("\"\"", "f"),
        ("\"a\"", "t"),
        (".Vars.nothing", "f"),
        (".Vars.list", "t"),
        (".Vars.none", "f"),
        (".Vars.map", "t"),
        ("dict", "f"),
        ("not false", "t"),
    ];
    for (condition, expected) in cases {
        check(&[(&truth.replace('%', condition), expected)]);
    }
    check(&[
        ("{{if false}}a{{else if eq 1 2}}b{{else if eq 1 1}}c{{else}}d{{end}}", "c"),
        ("{{if false}}a{{else if false}}b{{else}}d{{end}}e", "de"),
    ]);
}

#[test]
fn range_goes_over_lists_maps_and_numbers() {
    check(&[
        ("{{range .Vars.list}}<{{.}}>{{end}}", "<a><b><c>"),
        ("{{range $i, $e := .Vars.list}}{{$i}}{{$e}} {{end}}", "0a 1b 2c "),
        ("{{range $k, $v := .Vars.map}}{{$k}}={{$v}} {{end}}", "a=1 b=2 "),
        ("{{range $e := .Vars.list}}{{$e}}{{end}}", "abc"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{range $i := 2}}{{$i}}{{end}}", "01"),
        ("{{range .Vars.nothing}}x{{else}}none{{end}}", "none"),
        ("{{range .Vars.none}}x{{else}}none{{end}}", "none"),
        ("{{range 0}}x{{else}}none{{end}}", "none"),
        ("{{range -3}}x{{else}}none{{end}}", "none"),
        ("{{range .Vars.list}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"),
        ("{{range .Vars.list}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"),
        ("{{range 2}}{{range 3}}{{if eq . 1}}{{break}}{{end}}x{{end}};{{end}}", "x;x;"),
        ("{{$v := 0}}{{$i := 0}}{{range $i, $v = .Vars.list}}{{end}}{{$i}}{{$v}}", "2c"),
        ("{{range mkSlice \"/etc/PAsswD\" \"/etc/group\"}}{{. | toLower}} {{end}}", "/etc/passwd /etc/group "),
    ]);
}

#[test]
fn with_moves_the_dot() {
    check(&[
        ("{{with .Vars.deep}}{{.er.still}}{{end}}", "here"),
        ("{{with .Vars.empty}}x{{else}}{{.Vars.name}}{{end}}", "web"),
        ("{{with .Vars.empty}}x{{else with .Vars.name}}{{.}}{{end}}", "web"),
    ]);
}

#[test]
fn templates_are_defined_and_used() {
    check(&[
        ("{{define \"t\"}}[{{.}}]{{end}}{{template \"t\" 1}}{{template \"t\" .Vars.name}}", "[1][web]"),
        ("{{template \"t\"}}{{define \"t\"}}{{.}}{{end}}", "<no value>"),
        ("{{block \"b\" .Vars}}{{.name}}{{end}}", "web"),
        ("{{define \"r\"}}{{if .}}{{.}}{{template \"r\" (sub . 1)}}{{end}}{{end}}{{template \"r\" 3}}", "321"),
        ("{{$x := 1}}{{define \"t\"}}{{$}}{{end}}{{template \"t\" 7}}{{$x}}", "71"),
    ]);
}

#[test]
fn and_or_stop_at_the_first_that_decides() {
    check(&[
        ("{{and 1 0 (fail \"not reached\")}}", "0"),
        ("{{or 0 2 (fail \"not reached\")}}", "2"),
        ("{{and 1 2}} {{or 0 \"\"}}|", "2 |"),
        ("{{1 | and 2}} {{not 1}}", "1 false"),
        ("{{if and .Vars.on (not .Vars.off)}}yes{{end}}", "yes"),
    ]);
}

#[test]
fn comparison_is_gos() {
    check(&[
        ("{{eq 1 1}} {{eq 1 2}} {{eq 3 1 2 3}} {{eq \"a\" \"a\"}} {{eq true true}}", "true false true true true"),
        ("{{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 1.6}}", "true true true true false"),
        ("{{eq .Vars.none nil}} {{eq .Vars.name nil}} {{eq .Vars.count 3}}", "true false true"),
    ]);
}

/// The constructs of the goss files of kubernetes-sigs/image-builder: lookups by environment, nested ranges over maps,
/// defaults, and lists in JSON.
#[test]
fn real_world_constructs_render() {
    check(&[
        (
            "package:\n{{range $name, $ver := index .Vars .Env.OS \"packages\"}}\n  {{$name}}:\n    installed: true\n\
             {{- if $ver}}\n    versions:\n    - {{$ver}}\n{{- end}}\n{{end}}",
            "package:\n\n  apache2:\n    installed: true\n    versions:\n    - 2.4\n\n  nginx:\n    installed: true\n    \
             versions:\n    - 1.2\n",
        ),
        ("{{ if and (eq .Vars.name \"web\") (ne .Env.OS \"x\") }}a{{ else }}b{{ end }}", "a"),
        (
            "{{toJson .Vars.list}} {{getEnv \"NOPE\" \"d\"}} {{.Vars.name | default \"x\" | quote}}",
            "[\"a\",\"b\",\"c\"] d \"web\"",
        ),
        ("{{ range $u := .Vars.users }}{{ $u.name }}:{{ $u.uid }},{{ end }}", "root:0,bin:1,"),
        ("{{ if hasKey .Vars \"nope\" }}x{{ else }}y{{ end }}", "y"),
    ]);
}
