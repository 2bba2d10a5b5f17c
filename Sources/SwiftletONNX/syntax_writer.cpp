#include "error.hpp"
#include "schema.hpp"
#include "syntax.hpp"
#include "tensor_data.hpp"
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>

namespace swlx {
namespace {
bool isIdentifier(const std::string &text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (char c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) return false;
  return true;
}

std::string quoted(const std::string &text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string name(const std::string &text) {
  const bool plain = isIdentifier(text) && !beginsType(text) && text != "inf" && text != "nan" && text != "infinity";
  return plain ? text : quoted(text);
}

template <typename T>
std::string number(T value) {
  char text[40];
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return std::signbit(value) ? "-nan" : "nan";
  }
  std::string out(text, std::to_chars(text, text + sizeof text, value).ptr);
  if constexpr (std::is_floating_point_v<T>) {
    // An attribute without a declared type must still read as a float.
    if (out.find_first_not_of("-0123456789") == std::string::npos) out += ".0";
  }
  return out;
}

template <typename T, typename As = T>
std::string numbers(const std::string &bytes) {
  std::string out;
  for (size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    if (i) out += ", ";
    out += number(static_cast<As>(value));
  }
  return out;
}

class Writer {
 public:
  std::set<std::string> leftOut;

  std::string model(const Fields &m) {
    refuse(m, "training_info");
    leave(m, "configuration", "device configurations");
    std::string out = "<\n   ir_version: " + number(m.integer("ir_version")) + ",\n   opset_import: " + opsets(m);
    for (const char *key : {"producer_name", "producer_version", "domain"})
      if (m.has(key)) out += std::string(",\n   ") + key + ": " + quoted(m.text(key));
    if (m.has("model_version")) out += ",\n   model_version: " + number(m.integer("model_version"));
    if (m.has("doc_string")) out += ",\n   doc_string: " + quoted(m.text("doc_string"));
    if (m.size("metadata_props")) out += ",\n   metadata_props: " + pairs(m, "metadata_props");
    out += "\n>\n" + graph(m.sub("graph"), 0) + "\n";
    for (int i = 0; i < m.size("functions"); ++i) out += function(m.sub("functions", i));
    return out;
  }

 private:
  void refuse(const Fields &m, const char *field) {
    if (m.size(field))
      throw Error(SWLX_UNSUPPORTED, std::string("ONNX's textual syntax has no place for ") + field);
  }
  void leave(const Fields &m, const char *field, const char *what) {
    if (m.size(field)) leftOut.insert(what);
  }
  void leaveText(const Fields &m, const char *field, const char *what) {
    if (!m.text(field).empty()) leftOut.insert(what);
  }

  static std::string indent(int depth) { return std::string(3 * static_cast<size_t>(depth + 1), ' '); }

  static std::string opsets(const Fields &m) {
    std::string out = "[";
    for (int i = 0; i < m.size("opset_import"); ++i) {
      const Fields opset = m.sub("opset_import", i);
      out += (i ? ", " : "") + quoted(opset.text("domain")) + " : " + number(opset.integer("version"));
    }
    return out + "]";
  }

  static std::string pairs(const Fields &m, const char *field) {
    std::string out = "[";
    for (int i = 0; i < m.size(field); ++i) {
      const Fields pair = m.sub(field, i);
      out += (i ? ", " : "") + quoted(pair.text("key")) + ": " + quoted(pair.text("value"));
    }
    return out + "]";
  }

  static std::string names(const Fields &m, const char *field) {
    std::string out;
    for (int i = 0; i < m.size(field); ++i) out += (i ? ", " : "") + name(m.text(field, i));
    return out;
  }

  std::string element(int64_t type) {
    const char *known = elementTypeName(type);
    if (!known) throw Error(SWLX_UNSUPPORTED, "element type " + std::to_string(type) + " has no name");
    return known;
  }

  std::string shaped(const Fields &m) {
    std::string out = element(m.integer("elem_type"));
    if (!m.has("shape")) return out + "[]";  // unknown rank; no brackets at all: a scalar
    const Fields shape = m.sub("shape");
    for (int i = 0; i < shape.size("dim"); ++i) {
      const Fields dim = shape.sub("dim", i);
      leaveText(dim, "denotation", "denotations");
      out += i ? "," : "[";
      if (dim.has("dim_value")) out += number(dim.integer("dim_value"));
      else if (dim.has("dim_param")) out += name(dim.text("dim_param"));
      else out += "?";
    }
    return shape.size("dim") ? out + "]" : out;
  }

  /// Empty for a TypeProto that says nothing.
  std::string type(const Fields &m) {
    leaveText(m, "denotation", "denotations");
    if (m.has("tensor_type")) return shaped(m.sub("tensor_type"));
    if (m.has("sparse_tensor_type")) return "sparse_tensor(" + shaped(m.sub("sparse_tensor_type")) + ")";
    if (m.has("sequence_type")) return "seq(" + inner(m.sub("sequence_type").sub("elem_type")) + ")";
    if (m.has("optional_type")) return "optional(" + inner(m.sub("optional_type").sub("elem_type")) + ")";
    if (m.has("map_type")) {
      const Fields map = m.sub("map_type");
      return "map(" + element(map.integer("key_type")) + ", " + inner(map.sub("value_type")) + ")";
    }
    if (m.has("opaque_type")) {
      const Fields opaque = m.sub("opaque_type");
      const std::string domain = opaque.text("domain");
      return "opaque(" + (domain.empty() ? "" : name(domain) + ",") + name(opaque.text("name")) + ")";
    }
    return "";
  }
  std::string inner(const Fields &m) {
    const std::string text = type(m);
    if (text.empty()) throw Error(SWLX_UNSUPPORTED, "a type without its element type");
    return text;
  }

  std::string value(const Fields &m) {
    leaveText(m, "doc_string", "doc strings of values");
    leave(m, "metadata_props", "metadata of values");
    const std::string text = m.has("type") ? type(m.sub("type")) : "";
    return (text.empty() ? "" : text + " ") + name(m.text("name"));
  }
  std::string values(const Fields &m, const char *field) {
    std::string out = "(";
    for (int i = 0; i < m.size(field); ++i) out += (i ? ", " : "") + value(m.sub(field, i));
    return out + ")";
  }

  std::string tensor(const Fields &m) {
    if (m.has("segment")) throw Error(SWLX_UNSUPPORTED, "ONNX's textual syntax has no place for segmented tensors");
    leaveText(m, "doc_string", "doc strings of tensors");
    leave(m, "metadata_props", "metadata of tensors");
    const int64_t type = m.integer("data_type");
    std::string out = element(type);
    for (int i = 0; i < m.size("dims"); ++i) out += (i ? "," : "[") + number(m.integer("dims", i));
    if (m.size("dims")) out += "]";
    if (!m.text("name").empty()) out += " " + name(m.text("name"));
    out += " = ";
    if (m.integer("data_location") == 1) return out + pairs(m, "external_data");
    return out + "{" + elements(m, type) + "}";
  }

  static std::string elements(const Fields &m, int64_t type) {
    if (type == STRING) {
      std::string out;
      for (int i = 0; i < m.size("string_data"); ++i) out += (i ? ", " : "") + quoted(m.text("string_data", i));
      return out;
    }
    const std::string bytes = elementBytes(m);
    switch (type) {
      case FLOAT:
      case COMPLEX64: return numbers<float>(bytes);
      case DOUBLE:
      case COMPLEX128: return numbers<double>(bytes);
      case INT8: return numbers<int8_t, int>(bytes);
      case INT16: return numbers<int16_t>(bytes);
      case INT32: return numbers<int32_t>(bytes);
      case INT64: return numbers<int64_t>(bytes);
      case UINT32: return numbers<uint32_t>(bytes);
      case UINT64: return numbers<uint64_t>(bytes);
      case UINT16:
      case FLOAT16:
      case BFLOAT16: return numbers<uint16_t>(bytes);
      default: return numbers<uint8_t, unsigned>(bytes);  // one byte each, or packed
    }
  }

  /// One value of a list, or the only one (index < 0).
  std::string single(const Fields &m, int64_t type, int index, int depth) {
    const bool one = index < 0;
    switch (type) {
      case FLOAT_ATTRIBUTE: return number(one ? m.real("f") : m.real("floats", index));
      case INT_ATTRIBUTE: return number(one ? m.integer("i") : m.integer("ints", index));
      case STRING_ATTRIBUTE: return quoted(one ? m.text("s") : m.text("strings", index));
      case TENSOR_ATTRIBUTE: return tensor(one ? m.sub("t") : m.sub("tensors", index));
      case GRAPH_ATTRIBUTE: return graph(one ? m.sub("g") : m.sub("graphs", index), depth + 1);
      case TYPE_PROTO_ATTRIBUTE: return inner(one ? m.sub("tp") : m.sub("type_protos", index));
      default: throw Error(SWLX_UNSUPPORTED, "ONNX's textual syntax has no place for sparse tensors");
    }
  }

  /// The type of an attribute that doesn't say it (IR version 1).
  static int64_t typeOf(const Fields &m) {
    if (const int64_t type = m.integer("type")) return type;
    const char *const fields[] = {"f", "i", "s", "t", "g"};
    for (int64_t i = 0; i < 5; ++i)
      if (m.has(fields[i])) return FLOAT_ATTRIBUTE + i;
    const char *const lists[] = {"floats", "ints", "strings", "tensors", "graphs"};
    for (int64_t i = 0; i < 5; ++i)
      if (m.size(lists[i])) return FLOATS_ATTRIBUTE + i;
    return UNDEFINED_ATTRIBUTE;
  }
  static const char *listField(int64_t type) {
    switch (type) {
      case FLOATS_ATTRIBUTE: return "floats";
      case INTS_ATTRIBUTE: return "ints";
      case STRINGS_ATTRIBUTE: return "strings";
      case TENSORS_ATTRIBUTE: return "tensors";
      case GRAPHS_ATTRIBUTE: return "graphs";
      case TYPE_PROTOS_ATTRIBUTE: return "type_protos";
      default: return "sparse_tensors";
    }
  }

  std::string attribute(const Fields &m, int depth) {
    leaveText(m, "doc_string", "doc strings of attributes");
    const int64_t type = typeOf(m);
    const char *typeName = attributeTypeName(type);
    if (!typeName) throw Error(SWLX_UNSUPPORTED, "attribute " + m.text("name") + " has no type");
    const std::string head = name(m.text("name")) + ": " + typeName + " = ";
    if (!m.text("ref_attr_name").empty()) return head + "@" + name(m.text("ref_attr_name"));
    if (!isList(type)) return head + single(m, type, -1, depth);
    std::string list;
    for (int i = 0; i < m.size(listField(type)); ++i)
      list += (i ? ", " : "") + single(m, elementOf(type), i, depth);
    return head + "[" + list + "]";
  }
  std::string attributes(const Fields &m, int depth) {
    std::string out;
    for (int i = 0; i < m.size("attribute"); ++i) out += (i ? ", " : "") + attribute(m.sub("attribute", i), depth);
    return out.empty() ? "" : " <" + out + ">";
  }

  /// `a.b.Op`: the components that aren't identifiers in quotes.
  static std::string operatorName(const std::string &domain, const std::string &op) {
    const std::string last = isIdentifier(op) ? op : quoted(op);
    if (domain.empty()) return last;
    size_t start = 0;
    for (size_t dot; start <= domain.size(); start = dot + 1) {
      dot = std::min(domain.find('.', start), domain.size());
      if (!isIdentifier(domain.substr(start, dot - start))) return quoted(domain) + "." + last;
    }
    return domain + "." + last;
  }

  std::string node(const Fields &m, int depth) {
    leaveText(m, "doc_string", "doc strings of nodes");
    leave(m, "metadata_props", "metadata of nodes");
    leave(m, "device_configurations", "device configurations");
    std::string out = indent(depth);
    if (!m.text("name").empty()) out += "[" + name(m.text("name")) + "] ";
    out += names(m, "output") + " = " + operatorName(m.text("domain"), m.text("op_type"));
    if (!m.text("overload").empty()) out += ":" + name(m.text("overload"));
    bool subgraphs = false;
    for (int i = 0; i < m.size("attribute"); ++i) {
      const int64_t type = typeOf(m.sub("attribute", i));
      subgraphs = subgraphs || type == GRAPH_ATTRIBUTE || type == GRAPHS_ATTRIBUTE;
    }
    const std::string written = attributes(m, depth);
    const std::string inputs = " (" + names(m, "input") + ")";
    return out + (subgraphs ? inputs + written : written + inputs) + "\n";
  }
  std::string nodes(const Fields &m, int depth) {
    std::string out = "{\n";
    for (int i = 0; i < m.size("node"); ++i) out += node(m.sub("node", i), depth);
    return out + (depth ? indent(depth - 1) : "") + "}";
  }

  std::string graph(const Fields &m, int depth) {
    refuse(m, "sparse_initializer");
    leaveText(m, "doc_string", "doc strings of graphs");
    leave(m, "metadata_props", "metadata of graphs");
    leave(m, "quantization_annotation", "quantisation annotations");
    std::string out = name(m.text("name")) + " " + values(m, "input") + " => " + values(m, "output") + " ";
    std::string known;
    const std::string separator = ",\n" + indent(depth) + " ";
    for (int i = 0; i < m.size("initializer"); ++i)
      known += (known.empty() ? "" : separator) + initializer(m.sub("initializer", i));
    for (int i = 0; i < m.size("value_info"); ++i)
      known += (known.empty() ? "" : separator) + value(m.sub("value_info", i));
    if (!known.empty()) out += "\n" + indent(depth) + "<" + known + ">\n" + (depth ? indent(depth - 1) : "");
    return out + nodes(m, depth);
  }
  std::string initializer(const Fields &m) {
    if (m.text("name").empty()) throw Error(SWLX_UNSUPPORTED, "an initializer without a name");
    return tensor(m);
  }

  std::string function(const Fields &m) {
    leave(m, "value_info", "types of functions' values");
    leave(m, "metadata_props", "metadata of functions");
    std::string out = "<\n   domain: " + quoted(m.text("domain"));
    if (!m.text("overload").empty()) out += ",\n   overload: " + quoted(m.text("overload"));
    if (!m.text("doc_string").empty()) out += ",\n   doc_string: " + quoted(m.text("doc_string"));
    out += ",\n   opset_import: " + opsets(m) + "\n>\n" + name(m.text("name")) + " ";
    std::string known = names(m, "attribute");
    for (int i = 0; i < m.size("attribute_proto"); ++i)
      known += (known.empty() ? "" : ", ") + attribute(m.sub("attribute_proto", i), 0);
    if (!known.empty()) out += "<" + known + "> ";
    return out + "(" + names(m, "input") + ") => (" + names(m, "output") + ") " + nodes(m, 0) + "\n";
  }
};
}  // namespace

std::string writeSyntax(google::protobuf::Message &model, std::string &leftOut) {
  Writer writer;
  std::string text = writer.model(Fields(model));
  for (const auto &what : writer.leftOut) leftOut += (leftOut.empty() ? "" : ", ") + what;
  return text;
}
}  // namespace swlx
