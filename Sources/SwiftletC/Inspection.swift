// Section 6 of swiftlet.h: inspecting a model.
import CSwiftlet
import Swiftlet

/// A model, and the texts and types that C programs may point into.
final class ModelObject: HandleObject {
  static let magic = magicWord("swlmodel")
  let model: Model
  /// The model's inputs and then its overridable initializers.
  let inputs: PortTable
  let outputs: PortTable
  fileprivate let properties: [CText]
  fileprivate let opsets: [(domain: CText, version: Int)]
  fileprivate let metadata: [(key: CText, value: CText)]

  init(_ model: Model) throws {
    self.model = model
    inputs = try PortTable(model.inputs + model.overridable)
    outputs = try PortTable(model.outputs)
    let info = model.info
    // In the order of swl_property.
    properties = [info.producerName, info.producerVersion, info.domain, info.documentation, info.graphName].map(CText.init)
    opsets = info.opsets.sorted { $0.key < $1.key }.map { (CText($0.key), $0.value) }
    metadata = info.metadata.map { (CText($0.key), CText($0.value)) }
  }
}

/// Inputs or outputs.
final class PortTable {
  let ports: [Port]
  fileprivate let names: [CText]
  fileprivate let types: [OpaquePointer]
  private let numbers: [String: Int]

  init(_ ports: [Port]) throws {
    self.ports = ports
    names = ports.map { CText($0.name) }
    numbers = Dictionary(ports.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    var types: [OpaquePointer] = []
    do {
      for p in ports { types.append(try makeHandle(TypeObject(p.type))) }
    } catch {
      for t in types { freeHandle(t, TypeObject.self) }
      throw error
    }
    self.types = types
  }
  deinit { for t in types { freeHandle(t, TypeObject.self) } }

  func index(of name: String) -> Int? { numbers[name] }
}

private func model(_ handle: OpaquePointer?) -> ModelObject? { object(handle) }

private func element<T>(_ array: [T]?, _ index: Int) -> T? {
  guard let array, array.indices.contains(index) else { return nil }
  return array[index]
}

@c @implementation public func swl_model_input_count(_ m: OpaquePointer!) -> Int { model(m)?.model.inputs.count ?? 0 }
@c @implementation public func swl_model_overridable_count(_ m: OpaquePointer!) -> Int {
  model(m)?.model.overridable.count ?? 0
}
@c @implementation public func swl_model_output_count(_ m: OpaquePointer!) -> Int { model(m)?.model.outputs.count ?? 0 }

@c @implementation public func swl_model_input_name(_ m: OpaquePointer!, _ index: Int) -> UnsafePointer<CChar>! {
  element(model(m)?.inputs.names, index)?.pointer
}
@c @implementation public func swl_model_output_name(_ m: OpaquePointer!, _ index: Int) -> UnsafePointer<CChar>! {
  element(model(m)?.outputs.names, index)?.pointer
}
@c @implementation public func swl_model_input_type(_ m: OpaquePointer!, _ index: Int) -> OpaquePointer! {
  element(model(m)?.inputs.types, index)
}
@c @implementation public func swl_model_output_type(_ m: OpaquePointer!, _ index: Int) -> OpaquePointer! {
  element(model(m)?.outputs.types, index)
}

@c @implementation public func swl_model_property(
  _ m: OpaquePointer!, _ property: swl_property
) -> UnsafePointer<CChar>! {
  element(model(m)?.properties, Int(property))?.pointer
}
@c @implementation public func swl_model_ir_version(_ m: OpaquePointer!) -> Int64 {
  Int64(model(m)?.model.info.irVersion ?? 0)
}
@c @implementation public func swl_model_version(_ m: OpaquePointer!) -> Int64 {
  Int64(model(m)?.model.info.modelVersion ?? 0)
}

@c @implementation public func swl_model_opset_count(_ m: OpaquePointer!) -> Int { model(m)?.opsets.count ?? 0 }
@c @implementation public func swl_model_opset_domain(_ m: OpaquePointer!, _ index: Int) -> UnsafePointer<CChar>! {
  element(model(m)?.opsets, index)?.domain.pointer
}
@c @implementation public func swl_model_opset_version(_ m: OpaquePointer!, _ index: Int) -> Int64 {
  Int64(element(model(m)?.opsets, index)?.version ?? 0)
}

@c @implementation public func swl_model_metadata_count(_ m: OpaquePointer!) -> Int { model(m)?.metadata.count ?? 0 }
@c @implementation public func swl_model_metadata_key(_ m: OpaquePointer!, _ index: Int) -> UnsafePointer<CChar>! {
  element(model(m)?.metadata, index)?.key.pointer
}
@c @implementation public func swl_model_metadata_value(_ m: OpaquePointer!, _ index: Int) -> UnsafePointer<CChar>! {
  element(model(m)?.metadata, index)?.value.pointer
}
@c @implementation public func swl_model_metadata_find(
  _ m: OpaquePointer!, _ key: UnsafePointer<CChar>!
) -> UnsafePointer<CChar>! {
  guard let key, let m = model(m) else { return nil }
  let name = String(cString: key)
  let index = m.model.info.metadata.firstIndex { $0.key == name }
  return element(m.metadata, index ?? -1)?.value.pointer
}
