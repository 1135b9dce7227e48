//! What the header declares, read from its text, so that nothing in it escapes the comparison.

/// The header without comments.
pub fn header() -> String {
    let path = format!("{}/gridshell_plugin.h", super::compiler::INCLUDE);
    let mut rest = &*std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once("/*") {
        text.push_str(before);
        rest = after.split_once("*/").expect("a comment ends").1;
    }
    text + rest
}

/// The structs with the names of their members.
pub fn structs(header: &str) -> Vec<(String, Vec<String>)> {
    let bodies = header.split("typedef struct ").skip(1);
    bodies
        .map(|body| {
            let (name, rest) = body.split_once(" {").expect("a struct has a body");
            let members = rest.split_once('}').expect("a body ends").0;
            (name.to_owned(), members.split(';').filter(|it| !it.trim().is_empty()).map(member).collect())
        })
        .collect()
}

/// `void (*log)(...)`, `char owner[12]` or `gs_str name`.
fn member(declaration: &str) -> String {
    let name = match declaration.split_once("(*") {
        Some((_, function)) => function.split(')').next(),
        None => declaration.split('[').next().and_then(|it| it.split([' ', '*']).next_back()),
    };
    name.expect("a member has a name").trim().to_owned()
}

/// The names of all constants, and whether they are text.
pub fn constants(header: &str) -> Vec<(String, bool)> {
    let defined = header.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    defined
        .filter(|(name, _)| name.starts_with("GS_") && !name.contains('(') && *name != "GS_EXPORT")
        .map(|(name, value)| (name.to_owned(), value.starts_with('"')))
        .collect()
}

#[test]
fn declarations_are_found() {
    let text = "typedef struct a {\n char x[3];\n const b *y;\n int (*z)(int q, int r);\n} a;\n#define GS_A 1\n#define GS_B(x) x\n#define GS_C \"c\"\n";
    assert_eq!(structs(text), [("a".to_owned(), vec!["x".to_owned(), "y".to_owned(), "z".to_owned()])]);
    assert_eq!(constants(text), [("GS_A".to_owned(), false), ("GS_C".to_owned(), true)]);
}
