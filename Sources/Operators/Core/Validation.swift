import Graphs
import Tensors

extension OperatorDefinition {
  /// Everything that is wrong with a call by the schema: counts, attributes, element types (as far as known).
  public func problems(_ node: Node, inputTypes: [ValueType?]) -> [String] {
    var problems: [String] = []
    check(node.inputs.map { $0 != nil }, inputs, "input", &problems)
    check(node.outputs.map { $0 != nil }, outputs, "output", &problems)
    for (name, value) in node.attributes.sorted(by: { $0.key < $1.key }) {
      guard let spec = attribute(name) else {
        problems.append("the attribute '\(name)' is not one of this operator's")
        continue
      }
      if !spec.accepts(value) { problems.append("the attribute '\(name)' must be of kind \(spec.kind)") }
    }
    for spec in attributes where spec.isRequired && node.attributes[spec.name] == nil {
      problems.append("the attribute '\(spec.name)' is missing")
    }
    var bound: [String: ElementType] = [:]
    for (i, type) in inputTypes.enumerated() {
      guard let type, let parameter = parameter(inputs, i), let allowed = allowed(parameter.type) else { continue }
      if !allowed.allows(type) {
        problems.append("input \(i) ('\(parameter.name)') can't be \(type.elementType?.name ?? type.description)")
      } else if let e = type.elementType, !parameter.type.hasSuffix("*") {
        if let other = bound[parameter.type], other != e {
          problems.append("input \(i) ('\(parameter.name)') is \(e.name), and an input of the same type is \(other.name)")
        }
        bound[parameter.type] = e
      }
    }
    return problems
  }

  /// Types of a run's inputs, which inference may not have known.
  func check(_ values: [Value?]) throws {
    guard let last = inputRules.last else { return }
    var bound: UInt64 = 0  // one byte for each type variable
    for (i, value) in values.enumerated() {
      guard case .tensor(let t)? = value else { continue }
      let rule = i < inputRules.count ? inputRules[i] : last
      guard rule.allowed.contains(t.type) else { throw SwiftletError(.type, "input \(i) can't be \(t.type.name)") }
      guard rule.variable >= 0, rule.variable < 8 else { continue }
      let shift = UInt64(rule.variable * 8)
      let other = bound >> shift & 0xff
      if other == 0 {
        bound |= UInt64(t.type.rawValue) << shift
      } else if other != UInt64(t.type.rawValue) {
        throw SwiftletError(.type, "input \(i) is \(t.type.name), and an input of the same type is another")
      }
    }
  }

  private func check(_ given: [Bool], _ parameters: [Parameter], _ what: String, _ problems: inout [String]) {
    if given.count > parameters.count, parameter(parameters, given.count - 1) == nil {
      problems.append("\(given.count) \(what)s are given, at most \(parameters.count) are due")
    }
    for (i, p) in parameters.enumerated() {
      switch p.kind {
      case .required where i >= given.count || (!given[i] && what == "input"):
        problems.append("\(what) \(i) ('\(p.name)') is missing")
      case .variadic(let minimum) where given.count < i + minimum:
        problems.append("at least \(i + minimum) \(what)s are due, \(given.count) are given")
      default: break
      }
    }
  }
}
