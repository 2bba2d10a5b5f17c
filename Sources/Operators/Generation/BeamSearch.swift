import Kernels
import Tensors

/// BeamSearch and WhisperBeamSearch (com.microsoft): a decoder, or an encoder and a decoder, again and again, with the
/// best of all that may follow the beams of each sequence.
enum BeamSearch {
  static let definitions = [
    OperatorDefinition(
      "BeamSearch", domain: "com.microsoft", since: [1], inputs: [.required("input_ids", "I")] + inputs,
      outputs: outputs,
      types: types,
      attributes: attributes + [.int("model_type", 0), .optional(.graph, "init_decoder"), .optional(.graph, "encoder")],
      takesHalf: true, infer: { try infer($0, type: $0.elementType(5) ?? .float) },
      kernel: { c in
        let kind = try c.int("model_type")
        try checkModel(kind == 0 || kind == 1, "model_type is \(kind)")
        let search = try Search(c)
        if kind == 0 {
          let model = try DecoderOnly(c)
          return { r in
            let ids = try r.input(0), mask = try mask(r, ids), settings = try search.settings(r, batch: ids.shape[0])
            let prompts = try Generation.rows(ids)
            let rows = settings.repeated(prompts)
            try search.run(
              r, model.start(rows, mask: try mask.map(Generation.rows), padding: search.padding), prompts, settings)
          }
        }
        let model = try EncoderDecoder(c, hasMask: true), start = try search.startToken(c)
        return { r in
          let ids = try r.input(0), mask = try mask(r, ids) ?? search.paddingMask(ids, r)
          let settings = try search.settings(r, batch: ids.shape[0])
          let prompts = Array(repeating: [start], count: ids.shape[0])
          try search.run(r, model.start(ids, mask: mask, prompts: prompts, beams: settings.beams), prompts, settings)
        }
      }),
    OperatorDefinition(
      "WhisperBeamSearch", domain: "com.microsoft", since: [1],
      inputs: [.required("input_ids", "F")] + inputs + [
        .optional("cross_qk_layer_head", "I"), .optional("extra_decoding_ids", "I"), .optional("temperature", "T"),
      ],
      outputs: outputs + [.optional("cross_qk", "V"), .optional("non_speech_probs", "T")],
      types: types, attributes: attributes + [
        .int("model_type", 2), .required(.graph, "encoder"), .int("no_speech_token_id", -1),
        .int("translate_token_id", -1),
        .int("transcribe_token_id", -1), .int("start_of_lm_token_id", -1), .int("no_timestamps_token_id", -1),
        .int("beginning_timestamp_token_id", -1), .int("decoder_output_cross_qk", 0),
      ],
      takesHalf: true, infer: { try infer($0, type: $0.elementType(0)) },
      kernel: { c in
        guard !c.hasOutput(3), try !c.bool("decoder_output_cross_qk") else {
          throw SwiftletError(.unsupported, "the output cross_qk")
        }
        guard !c.hasInput(13) else {
          throw SwiftletError(.unsupported, "extra_decoding_ids: put them behind decoder_input_ids")
        }
        let search = try Search(c), model = try EncoderDecoder(c, hasMask: false)
        let start = try c.int("decoder_start_token_id")
        return { r in
          let features = try r.input(0)
          try checkShape(features.rank == 3, "input features of the shape \(features.shape)")
          let prompts = try r.optionalInput(10).map(Generation.rows) ?? Array(
            repeating: [search.token(start, "decoder_start_token_id")], count: features.shape[0])
          try checkShape(
            prompts.count == features.shape[0],
            "decoder_input_ids for \(prompts.count) sequences, not \(features.shape[0])")
          let settings = try search.settings(r, batch: prompts.count)
          try search.run(
            r, model.start(features, mask: nil, prompts: prompts, beams: settings.beams), prompts, settings)
        }
      }),
  ]
  private static let inputs: [Parameter] = [
    .required("max_length", "I"), .optional("min_length", "I"), .required("num_beams", "I"),
    .required("num_return_sequences", "I"),
    .optional("length_penalty", "T"), .optional("repetition_penalty", "T"), .optional("vocab_mask", "M"),
    .optional("prefix_vocab_mask", "M"), .optional("attention_mask", "I"), .optional("decoder_input_ids", "I"),
    .optional("logits_processor", "I"),
  ]
  private static let outputs: [Parameter] = [
    .required("sequences", "I"), .optional("sequences_scores", "T"), .optional("scores", "T"),
  ]
  private static let types: KeyValuePairs = [
    "T": TypeSet(.float, .float16), "F": TypeSet(.float, .float16, .int32), "I": TypeSet(.int32), "M": TypeSet(.int32),
    "V": TypeSet(.float),
  ]
  private static let attributes: [AttributeSpec] = [
    .required(.int, "eos_token_id"), .required(.int, "pad_token_id"), .int("decoder_start_token_id", -1),
    .int("no_repeat_ngram_size", 0), .int("early_stopping", 0), .int("vocab_size", -1), .required(.graph, "decoder"),
  ]

  private static func infer(_ c: InferenceContext, type: ElementType?) throws {
    let batch = c.shape(0)?.first ?? .unknown
    func number(_ i: Int) throws -> Dimension { try c.constantInts(i)?.first.map { .known($0) } ?? .unknown }
    let longest = try Generation.length(c), beams = try number(3), returned = try number(4)
    c.set(0, .int32, [batch, returned, longest])
    c.set(1, type, [batch, returned])
    c.set(2, type, [.unknown, batch, beams, .unknown])
    c.set(4, type, [batch])
  }

  /// The mask at input 9, which is as large as the prompts, whose rank is checked.
  private static func mask(_ r: RunContext, _ ids: Tensor) throws -> Tensor? {
    try checkShape(ids.rank == 2, "input_ids has the shape \(ids.shape)")
    let mask = try r.optionalInput(9)
    try checkShape(
      mask.map { $0.shape == ids.shape } ?? true, "attention_mask has the shape \(mask?.shape ?? []), not \(ids.shape)")
    return mask
  }
}
