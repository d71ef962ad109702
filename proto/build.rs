//! Generates the messages and services with protox, so that no protoc is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;
use prost_types::{
    FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

const FILES: [&str; 6] = [
    "souk/v1/value.proto",
    "souk/v1/query.proto",
    "souk/v1/write.proto",
    "souk/v1/cluster.proto",
    "souk/v1/shard.proto",
    MARKET,
];

/// Its messages are JSON too.
const MARKET: &str = "souk/v1/market.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=souk");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?).join("souk_descriptor.bin");
    fs::write(out, descriptors.encode_to_vec())?;
    let mut configured = tonic_prost_build::configure();
    let market = descriptors.file.iter().filter(|file| file.name() == MARKET);
    // Those of `Watch` hold messages that are none.
    let is_json = |message: &&prost_types::DescriptorProto| !message.name().starts_with("Watch");
    for message in market.flat_map(|file| &file.message_type).filter(is_json) {
        let path = format!(".souk.v1.{}", message.name());
        let derives = "#[derive(serde::Serialize, serde::Deserialize)] #[serde(default, deny_unknown_fields)]";
        configured = configured.message_attribute(&path, derives);
        for (field, reader) in message.field.iter().filter_map(|field| Some((field, integer_reader(field)?))) {
            let reader = format!("#[serde(deserialize_with = \"crate::json::{reader}\")]");
            configured = configured.field_attribute(format!("{path}.{}", field.name()), reader);
        }
    }
    let mut messages = tonic_prost_build::Config::new();
    messages.enable_type_names();
    configured.compile_fds_with_config(with_numbers_as_bytes(descriptors), messages)?;
    Ok(())
}

/// What reads an integer of JSON, if a field is one.
fn integer_reader(field: &FieldDescriptorProto) -> Option<&'static str> {
    match field.r#type() {
        Type::Int64 if field.proto3_optional() => Some("integer_or_none"),
        Type::Int64 => Some("integer"),
        _ => None,
    }
}

/// The numbers of a column are packed, eight bytes each: on the wire that is what `bytes` are too, which are copied whole instead of number by
/// number. Clients see the contract as it is written.
fn with_numbers_as_bytes(mut descriptors: FileDescriptorSet) -> FileDescriptorSet {
    let messages = descriptors.file.iter_mut().flat_map(|file| &mut file.message_type);
    let fields = messages.filter(|message| message.name() == "Column").flat_map(|message| &mut message.field);
    for field in fields.filter(|field| ["integers", "reals"].contains(&field.name())) {
        field.set_type(Type::Bytes);
        field.set_label(Label::Optional);
    }
    descriptors
}
