//! Compiles the protos, finds the apps, writes their registration.

fn main() {
    steeple_build::run();
}
