use super::{Outline, sanitised};

#[track_caller]
fn check(html: &str, expected: &str) {
    let mut outline = Outline { around: 4, last: 4 };
    assert_eq!(sanitised(html, &mut outline).into_string(), expected);
}

#[test]
fn what_is_kept() {
    check("<p class=x onclick='f()'>a <b>b</b> &lt;c&gt;</p>", "<p>a <b>b</b> &lt;c&gt;</p>");
    check(
        "<a href='https://example.org/?a=1&b=2' target=_top>x</a>",
        "<a href=\"https://example.org/?a=1&amp;b=2\" rel=\"noreferrer\">x</a>",
    );
    check(
        "<img src='data:image/png;base64,AA==' alt='a &quot;b&quot;' onerror=f()>",
        "<img src=\"data:image/png;base64,AA==\" alt=\"a &quot;b&quot;\">",
    );
    check("a<br/>b<hr>", "a<br>b<hr>");
}

#[test]
fn what_is_not() {
    check("<script>alert('<b>')</script>a", "a");
    check("<style>p { color: red }</style><svg><p>x</p></svg>a", "a");
    check("<iframe src='https://example.org'>b</iframe>a", "a");
    check("<a href='javascript:f()'>x</a>", "x");
    check("<img src='https://example.org/x.png'>", "");
    check("<img src='data:text/html,x'>", "");
    check("<form action=x><input name=y>z</form>", "z");
    check("<link rel=stylesheet href=x><meta http-equiv=refresh content=0>a", "a");
    check("<!-- <b> --><!doctype html>a", "a");
    check("<script", "");
    check("<p title='", "");
}

#[test]
fn nothing_reaches_out_of_its_place() {
    check("</div></section>a<div><b>b", "a<div><b>b</b></div>");
    check("<b><i>a</b>c</i>", "<b><i>a</i></b>c");
    check("<svg><div></svg></div>a", "a");
    check("<div/>a", "<div></div>a");
}

#[test]
fn tables_for_those_who_listen() {
    check(
        "<table border=1><tr style='x'><th></th><th colspan=2>a</th></tr></table>",
        "<table><tr><td></td><th colspan=\"2\">a</th></tr></table>",
    );
    check("<th rowspan='x'>a</th>", "<th>a</th>");
}

#[test]
fn headings_fit_below_those_around_them() {
    check("<h1>a</h1><h2>b</h2><h6>c</h6>", "<h5>a</h5><h6>b</h6><h6>c</h6>");
    check("<h3>a</h3>", "<h5>a</h5>");
}
