//! The code that `steeple-build` generates is a contract: the committed copy is what it makes today.

use std::{env, fs, path::Path};

#[test]
fn the_generated_code_is_what_steeple_build_makes_of_the_proto() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let made = steeple_build::protos(here.join("proto")).unwrap();
    let update = env::var_os("STEEPLE_UPDATE_GOLDEN").is_some();
    for (name, bytes) in [("pb.rs", made.rust.as_bytes()), ("descriptors.bin", &made.descriptors)] {
        let path = here.join("generated").join(name);
        if update {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
        }
        let kept = fs::read(&path).unwrap_or_default();
        assert!(kept == bytes, "{} differs; look at the change, then run with STEEPLE_UPDATE_GOLDEN=1", path.display());
    }
}
