//! A template is somebody else's program: what it may cost is bounded, and going beyond is an error and no crash.

use super::super::limits;
use super::render;

fn failure(source: &str) -> String {
    render(source).unwrap_err().message
}

#[test]
fn loops_end() {
    let steps = "the template does more than 2000000 steps of work";
    assert!(failure("{{range 9000000000000000000}}{{end}}").ends_with(steps));
    assert!(failure("{{range 100000}}{{range 100000}}{{end}}{{end}}").ends_with(steps));
    assert!(failure("{{range 9000000}}{{sha256sum (repeat 4000000 \"a\")}}{{end}}").ends_with(steps));
    assert!(failure("{{range 9000000}}{{regexMatch \"(a{1,100}){1,9}\" \"a\"}}{{end}}").ends_with(steps));
}

#[test]
fn recursion_ends() {
    let error = failure("{{define \"t\"}}{{template \"t\" .}}{{end}}{{template \"t\" 1}}");
    assert_eq!(error, "templates and blocks nest deeper than 100 levels");
    let error =
        failure("{{define \"t\"}}{{range 1}}{{with 1}}{{template \"t\"}}{{end}}{{end}}{{end}}{{template \"t\"}}");
    assert_eq!(error, "templates and blocks nest deeper than 100 levels");
}

#[test]
fn nesting_in_the_source_ends() {
    let parens = format!("{{{{{}1{}}}}}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(failure(&parens), "nested deeper than 60 levels");
    assert_eq!(failure(&"{{if 1}}".repeat(100_000)), "nested deeper than 60 levels");
    assert_eq!(failure(&format!("{{{{if 0}}}}{}", "{{else if 0}}".repeat(100_000))), "nested deeper than 60 levels");
}

#[test]
fn texts_and_lists_have_a_largest_size() {
    let too_long = format!("the text is longer than {} bytes", limits::LARGEST_TEXT);
    for source in [
        "{{repeat 9000000000 \"abc\"}}",
        "{{$s := \"abcdefgh\"}}{{range 60}}{{$s = print $s $s}}{{end}}",
        "{{indent 9000000000 \"a\"}}",
        "{{$s := repeat 100000 \"a\"}}{{replace \"a\" $s $s}}",
        "{{$s := repeat 100000 \"a\"}}{{regexReplaceAll \"a\" $s $s}}",
        "{{$s := repeat 100000 \"a\"}}{{regexReplaceAll \".*\" $s (repeat 1000 \"${0}\")}}",
        "{{$s := repeat 100000 \"a\"}}{{$l := list $s $s $s}}{{range 9}}{{$l = concat $l $l}}{{end}}{{join \"\" $l}}",
        "{{$l := list 1}}{{range 50}}{{$l = list $l $l}}{{end}}{{$l}}",
        "{{$l := list 1}}{{range 50}}{{$l = list $l $l}}{{end}}{{toJson $l}}",
        "{{printf (repeat 1000000 \"%1000000d\") 1}}",
    ] {
        assert!(failure(source).contains(&too_long), "{source}: {}", failure(source));
    }
    let too_many = "the list has more than 100000 elements";
    for source in [
        "{{until 9000000000}}",
        "{{untilStep 0 -9000000000 -1}}",
        "{{seq 9000000000}}",
        "{{$l := list 1 2 3 4}}{{range 60}}{{$l = concat $l $l}}{{end}}",
        "{{splitList \"\" (repeat 1000000 \"a\")}}",
    ] {
        assert!(failure(source).contains(too_many), "{source}: {}", failure(source));
    }
    assert!(failure("{{range 100}}{{repeat 100000 \"a\"}}{{end}}").contains("the output is longer than 4194304 bytes"));
    assert!(failure(&"a".repeat(limits::LARGEST_TEXT + 1)).contains("and 4194304 is the most"));
}

/// What is nested deeper than the stack could be dropped, walked or printed recursively.
#[test]
fn values_that_nest_deep_do_no_harm() {
    assert!(render("{{$l := list}}{{range 200000}}{{$l = list $l}}{{end}}").is_ok());
    assert!(
        render("{{$d := dict}}{{$c := $d}}{{range 200000}}{{$n := dict}}{{$_ := set $c \"n\" $n}}{{$c = $n}}{{end}}")
            .is_ok()
    );
    assert!(
        failure("{{$l := list}}{{range 200}}{{$l = list $l}}{{end}}{{$l}}").ends_with("nests deeper than 60 levels")
    );
    assert!(failure("{{$d := dict}}{{$_ := set $d \"d\" $d}}{{$d}}").ends_with("nests deeper than 60 levels"));
    assert!(failure("{{$d := dict}}{{$_ := set $d \"d\" $d}}{{toJson $d}}").ends_with("nests deeper than 60 levels"));
    assert!(failure("{{$d := dict}}{{$_ := set $d \"d\" $d}}{{deepCopy $d}}").ends_with("nests deeper than 60 levels"));
    let large =
        "{{$a := list 1}}{{$b := list 1}}{{range 50}}{{$a = list $a $a}}{{$b = list $b $b}}{{end}}{{deepEqual $a $b}}";
    assert!(failure(large).ends_with("the values are too large to be compared"));
}
