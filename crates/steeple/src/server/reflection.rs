//! Server reflection, v1 and v1alpha, from the bytes that the compiler wrote: comments and custom options are kept.

use tonic::service::RoutesBuilder;
use tonic_reflection::server::{Builder, Error};

use crate::{app::Site, login};

pub(super) const V1: &str = "grpc.reflection.v1.ServerReflection";
pub(super) const V1ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// Adds the versions that are ours to serve; they list the services in `names`, each other included.
pub(super) fn add(
    routes: &mut RoutesBuilder,
    site: &Site,
    names: &[&str],
    own: impl Fn(&str) -> bool,
) -> Result<(), Error> {
    if own(V1) {
        routes.add_service(builder(site, names).build_v1()?);
    }
    if own(V1ALPHA) {
        routes.add_service(builder(site, names).build_v1alpha()?);
    }
    Ok(())
}

fn builder<'a>(site: &'a Site, names: &[&str]) -> Builder<'a> {
    let own = [
        login::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let builder =
        own.into_iter().fold(Builder::configure().include_reflection_service(false), |builder, descriptors| {
            builder.register_encoded_file_descriptor_set(descriptors)
        });
    let builder = site
        .descriptors
        .iter()
        .fold(builder, |builder, descriptors| builder.register_encoded_file_descriptor_set(descriptors));
    names.iter().fold(builder, |builder, name| builder.with_service_name(*name))
}
