import FoundationEssentials
import Swiftlet

/// Inputs that are like those a model is made for.
enum CalibrationInputs {
  /// - Parameter folder: has `test_data_set_*/input_*.pb`, or `<input>.npy`.
  static func read(_ folder: String, for model: Model) throws -> [[String: Value]] {
    let arrays = try? Dictionary(uniqueKeysWithValues: model.inputs.map {
      ($0.name, try ValueFiles.read("\(folder)/\(ValueFiles.fileName($0.name)).npy", as: $0.type))
    })
    if let arrays { return [arrays] }
    let sets = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0.hasPrefix("test_data_set_") }.sorted()
    guard !sets.isEmpty else {
      throw SwiftletError(.invalidArgument, "'\(folder)' has neither test_data_set_*/input_*.pb nor an .npy file for each input")
    }
    return try sets.map { set in
      try Dictionary(uniqueKeysWithValues: model.inputs.enumerated().map { i, port in
        (port.name, try ValueFiles.read("\(folder)/\(set)/input_\(i).pb", as: port.type))
      })
    }
  }
}
