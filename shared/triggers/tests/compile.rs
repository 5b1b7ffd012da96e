//! What must not compile, and that the compiler says why in words a newcomer understands.

#[test]
fn the_compiler_refuses_what_cognito_would_not_honour() {
    trybuild::TestCases::new().compile_fail("tests/compile/*.rs");
}
