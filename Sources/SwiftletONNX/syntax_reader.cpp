#include "fields.hpp"
#include "scanner.hpp"
#include "schema.hpp"
#include "syntax.hpp"
#include "tensor_data.hpp"
#include <charconv>

namespace swlx {
namespace {
/// Graphs in graphs and types in types; libprotobuf reads messages nested 100 deep, three to a graph.
const int deepest = 30;

class Reader {
 public:
  Reader(const char *text, size_t length) : in(text, length) {}

  void model(Fields m) {
    if (in.match('<')) {
      do header(m);
      while (in.match(','));
      in.expect('>');
    }
    graph(m.sub("graph"), in.name(), 0);
    while (!in.atEnd()) function(m.add("functions"));
  }

 private:
  Scanner in;

  template <typename T>
  T parsed(const std::string &text) {
    T value{};
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if constexpr (std::is_same_v<T, float>) {
      // Too small for a float, or too large: rounded as a double would be.
      if (result.ec == std::errc::result_out_of_range) return static_cast<float>(parsed<double>(text));
    }
    if (result.ec != std::errc() || result.ptr != text.data() + text.size())
      in.fail("'" + text + "' is not a number that can stand here");
    return value;
  }

  void deeper(int depth) {
    if (depth > deepest) in.fail("nested deeper than " + std::to_string(deepest));
  }

  void header(Fields m) {
    const std::string key = in.identifier();
    in.expect(':');
    if (key == "ir_version" || key == "model_version") m.set(key.c_str(), parsed<int64_t>(in.number()));
    else if (key == "opset_import") opsets(m);
    else if (key == "metadata_props") pairs(m, "metadata_props");
    else if (key == "producer_name" || key == "producer_version" || key == "domain" || key == "doc_string")
      m.set(key.c_str(), in.quoted());
    else in.fail("unknown key '" + key + "'");
  }

  void opsets(Fields m) {
    in.expect('[');
    if (in.match(']')) return;
    do {
      Fields opset = m.add("opset_import");
      opset.set("domain", in.quoted());
      in.expect(':');
      opset.set("version", parsed<int64_t>(in.number()));
    } while (in.match(','));
    in.expect(']');
  }

  void pairs(Fields m, const char *field) {
    in.expect('[');
    if (in.match(']')) return;
    do {
      Fields pair = m.add(field);
      pair.set("key", in.quoted());
      in.expect(':');
      pair.set("value", in.quoted());
    } while (in.match(','));
    in.expect(']');
  }

  /// Names separated by commas. An empty one is "" or nothing before a comma.
  void names(Fields m, const char *field) {
    std::string id;
    if (!in.optionalName(id) && in.peek() != ',') return;
    m.add(field, id);
    while (in.match(',')) {
      if (!in.optionalName(id) && in.peek() != ',') return;
      m.add(field, id);
    }
  }

  bool nextIsType() { return beginsType(in.peekIdentifier()); }

  int64_t element() {
    const std::string id = in.identifier();
    const int64_t type = elementTypeNamed(id);
    if (!type) in.fail("'" + id + "' is no element type");
    return type;
  }

  void shaped(Fields m) {
    m.set("elem_type", element());
    if (!in.match('[')) {
      m.sub("shape");  // a scalar
      return;
    }
    if (in.match(']')) return;  // unknown rank
    Fields shape = m.sub("shape");
    do {
      Fields dim = shape.add("dim");
      std::string symbol;
      if (in.match('?')) continue;
      if (in.optionalName(symbol)) dim.set("dim_param", symbol);
      else dim.set("dim_value", parsed<int64_t>(in.number()));
    } while (in.match(','));
    in.expect(']');
  }

  void type(Fields m, int depth) {
    deeper(depth);
    const std::string id = in.peekIdentifier();
    if (elementTypeNamed(id)) return shaped(m.sub("tensor_type"));
    in.identifier();
    if (!beginsType(id)) in.fail("expected a type");
    in.expect('(');
    if (id == "seq") type(m.sub("sequence_type").sub("elem_type"), depth + 1);
    else if (id == "optional") type(m.sub("optional_type").sub("elem_type"), depth + 1);
    else if (id == "sparse_tensor") shaped(m.sub("sparse_tensor_type"));
    else if (id == "map") {
      m.sub("map_type").set("key_type", element());
      in.expect(',');
      type(m.sub("map_type").sub("value_type"), depth + 1);
    } else opaque(m.sub("opaque_type"));
    in.expect(')');
  }
  void opaque(Fields m) {
    std::string id;
    if (!in.optionalName(id)) return;
    while (in.match('.')) id += "." + in.name();
    if (in.match(',')) {
      m.set("domain", id);
      id = in.name();
    }
    m.set("name", id);
  }

  void value(Fields m) {
    if (nextIsType()) type(m.sub("type"), 0);
    m.set("name", in.name());
  }

  /// The elements of a tensor of that type: `{1, 2}`, or where they are: `["location": "x"]`.
  void tensor(Fields m, const Fields &type) {
    if (!type.has("tensor_type") || !type.sub("tensor_type").has("shape")) in.fail("expected a tensor with its shape");
    const Fields shaped = type.sub("tensor_type"), shape = shaped.sub("shape");
    const int64_t element = shaped.integer("elem_type");
    m.set("data_type", element);
    for (int i = 0; i < shape.size("dim"); ++i) {
      if (!shape.sub("dim", i).has("dim_value")) in.fail("a tensor's dimensions are numbers");
      m.add("dims", shape.sub("dim", i).integer("dim_value"));
    }
    if (in.peek() == '[') {
      m.set("data_location", int64_t{1});
      return pairs(m, "external_data");
    }
    in.expect('{');
    if (in.match('}')) return;
    do number(m, element);
    while (in.match(','));
    in.expect('}');
  }

  void number(Fields m, int64_t element) {
    switch (element) {
      case STRING: return m.add("string_data", in.quoted());
      case FLOAT:
      case COMPLEX64: return m.add("float_data", parsed<float>(in.number()));
      case DOUBLE:
      case COMPLEX128: return m.add("double_data", parsed<double>(in.number()));
      case INT64: return m.add("int64_data", parsed<int64_t>(in.number()));
      case UINT32:
      case UINT64: return m.add("uint64_data", parsed<uint64_t>(in.number()));
      default: return m.add("int32_data", int64_t{parsed<int32_t>(in.number())});
    }
  }

  /// A value and the tensor that it starts as: `float[2] x = {1, 2}`.
  bool initialised(Fields m, Fields graph) {
    if (!in.match('=')) return false;
    Fields initializer = graph.add("initializer");
    initializer.set("name", m.text("name"));
    tensor(initializer, m.sub("type"));
    return true;
  }

  /// One value, `type` telling what it has to be (0: what it looks like). Sets it in the field for single values.
  int64_t single(Fields m, int64_t type, int depth) {
    if (in.peek() == '"' && type != GRAPH_ATTRIBUTE) {
      m.set("s", in.quoted());
      return STRING_ATTRIBUTE;
    }
    if (in.nextIsNumber() && type != GRAPH_ATTRIBUTE) {
      const std::string text = in.number();
      const bool whole = text.find_first_not_of("-0123456789") == std::string::npos;
      if (whole && type != FLOAT_ATTRIBUTE) {
        m.set("i", parsed<int64_t>(text));
        return INT_ATTRIBUTE;
      }
      m.set("f", parsed<float>(text));
      return FLOAT_ATTRIBUTE;
    }
    if (nextIsType() && type != GRAPH_ATTRIBUTE) {
      const auto scratch = newModel();
      Fields described = Fields(*scratch).sub("graph").add("input").sub("type");
      this->type(described, 0);
      std::string id;
      const bool named = type != TYPE_PROTO_ATTRIBUTE && in.optionalName(id);
      if (!named && in.peek() != '{' && in.peek() != '=') {
        m.sub("tp").message().CopyFrom(described.message());
        return TYPE_PROTO_ATTRIBUTE;
      }
      in.match('=');
      if (named) m.sub("t").set("name", id);
      tensor(m.sub("t"), described);
      return TENSOR_ATTRIBUTE;
    }
    const std::string id = in.name();
    graph(m.sub("g"), id, depth + 1);
    return GRAPH_ATTRIBUTE;
  }

  void attribute(Fields m, const std::string &name, int depth) {
    m.set("name", name);
    int64_t type = UNDEFINED_ATTRIBUTE;
    if (in.match(':')) {
      const std::string word = in.identifier();
      type = attributeTypeNamed(word);
      if (!type) in.fail("'" + word + "' is no attribute type");
    }
    in.expect('=');
    if (in.match('@')) m.set("ref_attr_name", in.name());
    else if (in.match('[')) type = list(m, type, depth);
    else if (isList(type)) in.fail("expected a list");
    else type = checked(type, single(m, type, depth));
    m.set("type", type);
  }

  int64_t checked(int64_t expected, int64_t found) {
    if (expected == UNDEFINED_ATTRIBUTE || expected == found) return found;
    in.fail(std::string("expected a value of type ") + attributeTypeName(expected));
  }

  int64_t list(Fields m, int64_t type, int depth) {
    if (type != UNDEFINED_ATTRIBUTE && !isList(type)) in.fail("expected one value");
    if (in.match(']')) {
      if (type == UNDEFINED_ATTRIBUTE) in.fail("an empty list needs its type");
      return type;
    }
    int64_t element = type == UNDEFINED_ATTRIBUTE ? type : elementOf(type);
    do {
      const auto scratch = newModel();
      Fields value = Fields(*scratch).sub("graph").add("node").add("attribute");
      element = checked(element, single(value, element, depth));
      append(m, value, element);
    } while (in.match(','));
    in.expect(']');
    return listOf(element);
  }
  static void append(Fields m, const Fields &value, int64_t element) {
    switch (element) {
      case FLOAT_ATTRIBUTE: return m.add("floats", value.real("f"));
      case INT_ATTRIBUTE: return m.add("ints", value.integer("i"));
      case STRING_ATTRIBUTE: return m.add("strings", value.text("s"));
      case TENSOR_ATTRIBUTE: return m.add("tensors").message().CopyFrom(value.sub("t").message());
      case GRAPH_ATTRIBUTE: return m.add("graphs").message().CopyFrom(value.sub("g").message());
      default: return m.add("type_protos").message().CopyFrom(value.sub("tp").message());
    }
  }

  bool attributes(Fields m, int depth) {
    if (!in.match('<')) return false;
    do attribute(m.add("attribute"), in.name(), depth);
    while (in.match(','));
    in.expect('>');
    return true;
  }

  void node(Fields m, int depth) {
    if (in.match('[')) {
      std::string id;
      if (in.optionalName(id)) m.set("name", id);
      in.expect(']');
    }
    names(m, "output");
    in.expect('=');
    std::string domain, op = in.name();
    while (in.match('.')) {
      domain += (domain.empty() ? "" : ".") + op;
      op = in.name();
    }
    if (!domain.empty()) m.set("domain", domain);
    m.set("op_type", op);
    if (in.match(':')) m.set("overload", in.name());
    const bool before = attributes(m, depth);
    in.expect('(');
    names(m, "input");
    in.expect(')');
    if (!before) attributes(m, depth);
  }
  void nodes(Fields m, int depth) {
    in.expect('{');
    while (!in.match('}')) node(m.add("node"), depth);
  }

  void arrow() {
    in.expect('=');
    in.expect('>');
  }

  void graph(Fields m, const std::string &name, int depth) {
    deeper(depth);
    m.set("name", name);
    in.expect('(');
    if (!in.match(')')) {
      do {
        Fields input = m.add("input");
        value(input);
        initialised(input, m);
      } while (in.match(','));
      in.expect(')');
    }
    arrow();
    in.expect('(');
    if (!in.match(')')) {
      do value(m.add("output"));
      while (in.match(','));
      in.expect(')');
    }
    if (in.match('<') && !in.match('>')) {
      do {
        const auto scratch = newModel();
        Fields known = Fields(*scratch).sub("graph").add("input");
        value(known);
        if (!initialised(known, m)) m.add("value_info").message().CopyFrom(known.message());
      } while (in.match(','));
      in.expect('>');
    }
    nodes(m, depth);
  }

  void function(Fields m) {
    if (in.match('<')) {
      do {
        const std::string key = in.identifier();
        in.expect(':');
        if (key == "opset_import") opsets(m);
        else if (key == "domain" || key == "overload" || key == "doc_string") m.set(key.c_str(), in.quoted());
        else in.fail("unknown key '" + key + "'");
      } while (in.match(','));
      in.expect('>');
    }
    m.set("name", in.name());
    if (in.match('<')) {
      do {
        const std::string id = in.name();
        if (in.peek() == ':' || in.peek() == '=') attribute(m.add("attribute_proto"), id, 0);
        else m.add("attribute", id);
      } while (in.match(','));
      in.expect('>');
    }
    signature(m, "input");
    arrow();
    signature(m, "output");
    nodes(m, 0);
  }
  /// Names, each with its type or without.
  void signature(Fields m, const char *field) {
    in.expect('(');
    if (in.match(')')) return;
    do {
      if (nextIsType()) {
        Fields typed = m.add("value_info");
        value(typed);
        m.add(field, typed.text("name"));
      } else m.add(field, in.name());
    } while (in.match(','));
    in.expect(')');
  }
};
}  // namespace

std::unique_ptr<google::protobuf::Message> readSyntax(const char *text, size_t length) {
  auto model = newModel();
  Reader(text, length).model(Fields(*model));
  return model;
}
}  // namespace swlx
