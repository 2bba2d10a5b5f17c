#pragma once
#include <google/protobuf/message.h>
#include <string>

namespace swlx {
/// ONNX's textual syntax (onnx/docs/Syntax.md), read and written whole: quoted identifiers, node names, initialisers of
/// every type, functions with overloads and default attributes, which the parser and printer of libonnx 1.12 lack.
/// Three forms go beyond it: a quoted operator or domain name (`"a-b"."c"`), lists of tensors, graphs and types as
/// attributes, and quoted names of tensors and subgraphs in attributes whose type is given.

/// Appends to `leftOut` what the syntax has no place for and what doesn't change what the model computes (doc strings,
/// metadata of nodes, ...); throws Error for what does.
std::string writeSyntax(google::protobuf::Message &model, std::string &leftOut);

/// Throws Error with line and column.
std::unique_ptr<google::protobuf::Message> readSyntax(const char *text, size_t length);

/// Keywords that begin a type: an identifier that is one of these is written in quotes.
bool beginsType(const std::string &identifier);

/// The name of an AttributeProto.AttributeType in the syntax, or NULL; and back, or 0.
const char *attributeTypeName(int64_t type);
int64_t attributeTypeNamed(const std::string &name);

/// AttributeProto.AttributeType, and the type of one element of a list type.
enum AttributeType : int64_t {
  UNDEFINED_ATTRIBUTE, FLOAT_ATTRIBUTE, INT_ATTRIBUTE, STRING_ATTRIBUTE, TENSOR_ATTRIBUTE, GRAPH_ATTRIBUTE,
  FLOATS_ATTRIBUTE, INTS_ATTRIBUTE, STRINGS_ATTRIBUTE, TENSORS_ATTRIBUTE, GRAPHS_ATTRIBUTE, SPARSE_TENSOR_ATTRIBUTE,
  SPARSE_TENSORS_ATTRIBUTE, TYPE_PROTO_ATTRIBUTE, TYPE_PROTOS_ATTRIBUTE,
};
inline bool isList(int64_t type) {
  return (type >= FLOATS_ATTRIBUTE && type <= GRAPHS_ATTRIBUTE) || type == SPARSE_TENSORS_ATTRIBUTE ||
         type == TYPE_PROTOS_ATTRIBUTE;
}
inline int64_t elementOf(int64_t list) { return list >= SPARSE_TENSORS_ATTRIBUTE ? list - 1 : list - 5; }
inline int64_t listOf(int64_t element) { return element >= SPARSE_TENSOR_ATTRIBUTE ? element + 1 : element + 5; }
}  // namespace swlx
