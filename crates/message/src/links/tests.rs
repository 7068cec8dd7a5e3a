use super::*;

#[test]
fn hosts_are_those_that_a_browser_asks() {
    for (target, expect) in [
        ("http://Example.COM:80/x", "example.com"),
        ("HTTPS:\\\\example.com\\x", "example.com"),
        ("http:example.com", "example.com"),
        ("https://bank.test@evil.test/", "evil.test"),
        ("https://bank.test:x@evil.test:81?@good.test", "evil.test"),
        ("http://ex%61mple.com.", "example.com"),
        ("http://ｅｘａｍｐｌｅ。com", "example.com"),
        ("http://exa\u{200b}mple.com", "example.com"),
        ("http://xn--e1afmkfd.test", "xn--e1afmkfd.test"),
        ("http://Пример.test", "пример.test"),
        ("http://3221225993/", "192.0.2.9"),
        ("http://0xC0000209/", "192.0.2.9"),
        ("http://[2001:DB8::1]:80/", "[2001:db8::1]"),
        ("mailto:A@Example.com?subject=x@y", "example.com"),
        ("tel:123", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,http://x.test", ""),
        ("/relative", ""),
        ("", ""),
    ] {
        assert_eq!(host(target), expect, "{target}");
    }
}

#[track_caller]
fn found(text: &str, expect: &[&str]) {
    let mut links = LinkList::default();
    find_links(text, &mut links);
    let targets: Vec<_> = links.into_vec().into_iter().map(|link| link.target).collect();
    assert_eq!(targets, expect, "{text}");
}

#[test]
fn addresses_in_text_are_found_as_mail_programs_find_them() {
    found("see http://a.test/x, or (https://b.test/y).", &["http://a.test/x", "https://b.test/y"]);
    found("http://a.test/wiki_(x) <http://b.test>", &["http://a.test/wiki_(x)", "http://b.test"]);
    found(
        "www.a.test! WWW.B.TEST/x xwww.c.test www.",
        &["http://www.a.test", "http://WWW.B.TEST/x"],
    );
    found(
        "mail bob@example.com. or <eve@b.test>, not a@b or @c.test",
        &["mailto:bob@example.com", "mailto:eve@b.test"],
    );
    found("请看http://a.test/中", &["http://a.test/中"]);
    found("http://a.test http://a.test", &["http://a.test"]);
}

#[test]
fn targets_are_followed_from_the_first_base() {
    for (base, target, expect) in [
        ("https://a.test/x/y?z", "p", "https://a.test/x/p"),
        (" https://a.test/x/y ", "/p", "https://a.test/p"),
        ("https://a.test", "p", "https://a.test/p"),
        ("HTTPS://a.test/x", "//b.test/p", "https://b.test/p"),
        ("nonsense", "//b.test/p", "http://b.test/p"),
        ("nonsense", "p", "p"),
        ("https://a.test/x", "http://b.test/p", "http://b.test/p"),
    ] {
        let mut links = LinkList::default();
        links.set_base(base);
        links.set_base("http://other.test/");
        links.add(target, None);
        assert_eq!(links.into_vec()[0].target, expect, "{base} {target}");
    }
}

#[test]
fn a_list_is_offered_n_links_and_keeps_the_last_few_from_n_plus_1_on() {
    for (attempts, behind, is_kept) in [
        (ATTEMPTS_MAX - 1, LAST_MAX + 1, true),
        (ATTEMPTS_MAX, LAST_MAX - 1, true),
        (ATTEMPTS_MAX, LAST_MAX, false),
    ] {
        let mut links = LinkList::default();
        (0..attempts).for_each(|_| links.add("http://a.test/", None));
        links.add("http://b.test/", None);
        (0..behind).for_each(|_| links.add("http://a.test/", None));
        let kept = links.into_vec().iter().any(|link| link.host == "b.test");
        assert_eq!(kept, is_kept, "{attempts} and {behind}");
    }
}

#[test]
fn a_link_is_kept_up_to_n_bytes_and_cut_at_n_plus_1() {
    for length in [LINK_BYTES_MAX, LINK_BYTES_MAX + 1] {
        let mut links = LinkList::default();
        links.add(&format!("http://a.test/{}", "x".repeat(length - 14)), None);
        assert_eq!(links.into_vec()[0].target.len(), LINK_BYTES_MAX);
    }
}
