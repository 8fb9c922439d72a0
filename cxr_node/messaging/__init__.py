"""Other systems than DICOM ones: webhooks, HL7 v2 and FHIR."""
