"""The second bank of the simulator, in the words of its own WSDL (``adapters/bank_wsdl/contract/cib``)."""
