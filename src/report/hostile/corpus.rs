//! The words, for the unit tests of all reports and for the test that shows the page to a browser.

/// What to print to be obeyed.
pub(crate) fn corpus() -> Vec<String> {
    let commands = [
        "error",
        "warning",
        "notice",
        "add-mask",
        "set-output",
        "save-state",
        "set-env",
        "add-path",
        "add-matcher",
        "group",
        "endgroup",
        "debug",
        "echo",
        "stop-commands",
    ];
    let mut corpus = Vec::new();
    for name in commands {
        corpus.push(format!("::{name}::x"));
        corpus.push(format!("text ##[{name}]x"));
        corpus.push(format!("10 %\r::{name} file=a,line=1::x"));
        corpus.push(format!("a\n  ::{}::x\nb", name.to_uppercase()));
        corpus.push(format!("#\u{1b}#\u{0}[{name}]x"));
    }
    let others = [
        // Blanks that .NET trims, and characters that a careless filter takes out too late.
        "\u{a0}::error::x",
        "\u{2003}::error::x",
        "\u{3000}::error::x",
        "\u{85}::error::x",
        "\u{feff}::error::x",
        "\u{200b}::error::x",
        ":\u{200d}:error::x",
        ":\u{7f}:error::x",
        "\u{2028}::error::x",
        "\u{2029}::error::x",
        "\u{b}::error::x\u{c}::error::y",
        "##\u{2066}[error]x",
        "####[error]##[error]",
        "##[##[error]x",
        "\t::error::x",
        "%0A::error::x",
        "%250A::error::x",
        "x%0D%0A##[error]x",
        "::error::x\u{fffd}",
        "|::error::x",
        // Ends of our own.
        "::endgroup::\n::group::mine",
        "\r\n::endgroup::\r\n",
        "a,line=1::error::",
        "title=x,file=y",
        "images<<EOF\n[]\nEOF",
        "ovenbird_0123456789abcdef",
        "x\novenbird_0123456789abcdef\nevil=1\n",
        "evil=1",
        // GitLab.
        "\u{1b}[0Ksection_start:1:mine\r\u{1b}[0KHeader",
        "\u{1b}[0Ksection_end:1:a.step-1\r\u{1b}[0K",
        "section_start:1:mine\r\u{1b}[0K",
        "section_end:1:a.boot\r",
        "\r\u{1b}[0Ksection_start:1:x[collapsed=false]\r\u{1b}[0K",
        "2026-01-01T00:00:00.000000Z 01O section_start:1:x\r\u{1b}[0K",
        "[[ATTACHMENT|/etc/passwd]]",
        "A=1\nB=2",
        "$HOME `id` $(id)",
        // Terminals.
        "\u{1b}]0;title\u{7}",
        "\u{1b}[2J\u{1b}[H",
        "\u{1b}]8;;https://evil.test\u{1b}\\click\u{1b}]8;;\u{1b}\\",
        "\u{9b}31mred",
        "\u{202e}txt.exe",
        "half \u{1b}[",
        "half \u{1b}",
        // HTML.
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</pre></code></td></table><h1>x</h1>",
        "</details></summary>",
        "<!-- -->",
        "<!--",
        "<![CDATA[",
        "]]>",
        "&lt;b&gt; &#x3c;script&#x3e;",
        "<a href=\"javascript:alert(1)\">x</a>",
        "\"><svg/onload=alert(1)>",
        "' onmouseover='x",
        // Markdown.
        "`",
        "``",
        "```",
        "a`b``c```d````e",
        "`<b>x</b>`",
        "`` [link](https://evil.test) ``",
        "````\n# heading\n````",
        "~~~\n# heading\n~~~",
        "# heading",
        "\n\n# heading\n\n",
        "- list\n- list",
        "> quote",
        "---",
        "===",
        "| a | b |\n| --- | --- |",
        "a | b",
        "a \\| b",
        "\\",
        "\\`",
        "[link](https://evil.test)",
        "![image](https://evil.test/pixel.png)",
        "<https://evil.test>",
        "https://evil.test www.evil.test",
        "[ref]: https://evil.test\n[ref]",
        "@someone #1 GH-1 :smile:",
        "**bold** _it_ ~~no~~",
        "$$\\href{x}{y}$$ $`x`$",
        "[^1]\n\n[^1]: note",
        "&nbsp;&copy;",
        // Mermaid.
        "```mermaid\ngraph TD; A-->B\n```",
        "%%{init: {\"theme\": \"x\"}}%%",
        "section mine\nclick a href \"https://evil.test\"",
        "a :crit, 2026-01-01, 1d",
        "a;b#c:d",
        "end\ntitle mine\ndateFormat X",
        // XML.
        "\u{0}\u{1}\u{8}\u{b}\u{c}\u{e}\u{1f}",
        "\u{fffe}\u{ffff}",
        "&entity; &#0; &#x1f;",
        "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>",
        "</failure></testcase></testsuite></testsuites>",
        "\u{10ffff}\u{e000}",
        // Paths.
        "../../../etc/passwd",
        "/etc/passwd",
        "",
        " ",
        "\n",
        "\r",
    ];
    corpus.extend(others.map(str::to_owned));
    // Half-written characters arrive as their replacement.
    let halves: [&[u8]; 4] = [b"\xc3::error::x", b"::error\xe2\x82::x", b"\xf0\x9f\x98\n::error::x", b"##\xff[error]x"];
    corpus.extend(halves.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    corpus.push(format!("{}##[error]x", "x".repeat(10_000)));
    corpus
}
