//! `examples/hooks.rs`.

#[expect(dead_code, reason = "its main function is for those who run it")]
#[path = "../../../examples/hooks.rs"]
mod example;

#[tokio::test]
async fn each_hook_does_its_part() {
    let lines = example::run().await.unwrap();
    let expected = [
        "a session was opened from 192.0.2.1",
        "plan: \"free\"",
        "a session ended: Some(Logout)",
        "INVALID_SESSION for Some(192.0.2.1)",
        "refreshed after the end: false",
        "at night: CLOSED",
    ];
    assert_eq!(lines, expected);
}
