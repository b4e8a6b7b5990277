//! Hands the linker script on, when an image is built and not the tests of the host.

fn main() {
    println!("cargo::rerun-if-changed=memory.x");
    let bare = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "none");
    if bare {
        let folder =
            std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the folder of the package");
        println!("cargo::rustc-link-search={folder}");
        println!("cargo::rustc-link-arg-bins=-Tlink.x");
    }
}
